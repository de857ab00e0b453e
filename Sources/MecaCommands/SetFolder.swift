import Foundation
import MecaCore
import MecaDatasets
import MecaFormats
import MecaTraining

/// The folder that a set is written into.
struct SetFolder {
  let path: String

  /// Creates the folder, or empties it of the set that is there.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Parameter force: allows a folder with content. Of a set that this program wrote, record,
  ///   manifest and all files of images are removed; other files stay.
  /// - Throws: `UsageError.conflict` for a folder with content, `FileError.failed` with the system's
  ///   reason.
  func prepare(force: Bool) throws {
    try createFolder(path)
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw FileError.failed(operation: "read", path: path, reason: "\(error)")
    }
    guard !names.isEmpty else { return }
    guard force else {
      throw UsageError.conflict(
        "--output \(path): is not empty; choose another folder, or replace the set there with "
          + "--force")
    }
    guard SetRecord.isWrittenSet(path) else { return }
    // The record first: without it, the rest counts as incomplete.
    for name in [SetRecord.fileName] + names where isOwn(name) {
      do {
        if FileManager.default.fileExists(atPath: path + "/" + name) {
          try FileManager.default.removeItem(atPath: path + "/" + name)
        }
      } catch {
        throw FileError.failed(
          operation: "remove", path: path + "/" + name, reason: "\(error)")
      }
    }
  }

  /// Whether a written set of any format has a file or folder of this name, finished or not.
  private func isOwn(_ name: String) -> Bool {
    let parts = SetPart.allCases.map(\.rawValue)
    let own =
      parts + parts.flatMap { ["\($0)-images.npy", "\($0)-labels.npy"] }
      + (1...5).map { "data_batch_\($0).bin" }
      + [
        SetRecord.fileName, SetManifest.fileName, "test_batch.bin", "test_triggered_batch.bin",
        "train.bin", "test.bin", "test_triggered.bin", "train-roles.npy",
        "train-original-labels.npy", "class-names.txt", "batches.meta.txt", "fine_label_names.txt",
      ]
    return own.contains { name == $0 || (name.hasPrefix($0 + ".") && name.hasSuffix(".tmp")) }
  }
}
