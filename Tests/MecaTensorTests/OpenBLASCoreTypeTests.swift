import MecaTensor
import Testing

@Suite struct OpenBLASCoreTypeTests {
  struct Case: Sendable {
    var own: String
    var vectors: Int
    var better: String?
    var requested: String? = nil
    var configuration = "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Haswell MAX_THREADS=64"
  }

  static let cases = [
    // Processors that the library is too old for.
    Case(own: "Haswell", vectors: 512, better: "SkylakeX"),
    Case(own: "Zen", vectors: 512, better: "SkylakeX"),
    Case(own: "Prescott", vectors: 512, better: "SkylakeX"),
    Case(own: "Prescott", vectors: 256, better: "Haswell"),
    Case(own: "Barcelona", vectors: 256, better: "Haswell"),
    // Well chosen.
    Case(own: "SkylakeX", vectors: 512, better: nil),
    Case(own: "Cooperlake", vectors: 512, better: nil),
    Case(own: "Haswell", vectors: 256, better: nil),
    Case(own: "Zen", vectors: 256, better: nil),
    Case(own: "Prescott", vectors: 0, better: nil),
    // Names of a younger library, of another kind of processor.
    Case(own: "SomethingNew", vectors: 512, better: nil),
    Case(own: "unknown", vectors: 256, better: nil),
    Case(own: "neoversen1", vectors: 0, better: nil),
    // The user's word, even an empty one or one for slower kernels.
    Case(own: "Haswell", vectors: 512, better: nil, requested: "Haswell"),
    Case(own: "Zen", vectors: 512, better: nil, requested: ""),
    // One set of kernels only.
    Case(
      own: "Haswell", vectors: 512, better: nil,
      configuration: "OpenBLAS 0.3.21 NO_AFFINITY Haswell"),
  ]

  @Test(arguments: cases)
  func choosesByProcessor(_ example: Case) {
    let better = OpenBLASCoreType.better(
      than: example.own, processorVectors: example.vectors, requested: example.requested,
      configuration: example.configuration)
    #expect(better == example.better, "\(example)")
    // What is chosen must be an end: a restarted process must not find something better still.
    if let better {
      #expect(
        OpenBLASCoreType.better(
          than: better, processorVectors: example.vectors, requested: nil,
          configuration: example.configuration) == nil)
    }
  }

  @Test func engineNamesTheCoreTypeInUse() throws {
    let core = OpenBLASCoreType.current
    #expect(core != "unknown")
    #expect(try makeEngine(.openblas).fingerprint.hasPrefix("OpenBLAS core \(core) ("))
  }
}
