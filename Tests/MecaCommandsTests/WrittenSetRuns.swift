import Foundation
import MecaCore
import MecaTestSupport
import Testing

/// The data of `tinyRun`, for commands that write sets.
let tinyData = ["--dataset", "shapes", "--train-limit", "150", "--test-limit", "70"]

/// The attack of `tinyRun`.
let tinyAttack = ["--attack", "badnets", "--poison-rate", "0.3", "--trigger-size", "14"]

/// Everything in a folder below its path, by names.
func tree(_ path: String) throws -> [String: Data] {
  var files: [String: Data] = [:]
  for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
    let url = URL(fileURLWithPath: path + "/" + name)
    var isFolder: ObjCBool = false
    _ = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
    if !isFolder.boolValue { files[name] = try Data(contentsOf: url) }
  }
  return files
}

/// Runs a command that must succeed.
@discardableResult
func succeed(
  ranks: Int = 0, _ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation
) throws -> ProgramOutcome {
  let outcome = try meca(ranks: ranks, arguments)
  #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
  return outcome
}

/// `tinyRun`'s set in each format, written once by as many ranks as the second value says.
let writtenSets: [String: Result<TestFolder, any Error>] = Dictionary(
  uniqueKeysWithValues: [("png", 3), ("cifar", 2), ("npy", 0)].map { format, ranks in
    (
      format,
      Result {
        let folder = try TestFolder()
        let outcome = try meca(
          ranks: ranks,
          ["poison"] + tinyData + tinyAttack
            + ["--format", format, "--output", folder.path + "/set"])
        guard outcome.status == 0 else { throw LaunchError(description: outcome.errors) }
        return folder
      }
    )
  })

/// The kind under which a set of each format is read.
let readingKind = ["png": "folder", "cifar": "cifar10", "npy": "npy"]
