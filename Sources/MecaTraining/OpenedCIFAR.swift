import MecaData
import MecaMPI

/// Maps the binary files into memory; ranks of one host share their pages.
///
/// - Ranks: collective; a failure on any rank is thrown on all.
func openCIFAR(
  _ variant: CIFARSet.Variant, _ configuration: DataConfiguration, communicator: Communicator
) throws -> OpenedSets {
  try communicator.collectively {
    let path = try configuration.requiredPath(with: "the binary files")
    return OpenedSets(
      training: try CIFARSet(
        folder: path, variant: variant, split: .train, limit: configuration.trainLimit),
      test: try CIFARSet(
        folder: path, variant: variant, split: .test, limit: configuration.testLimit))
  }
}
