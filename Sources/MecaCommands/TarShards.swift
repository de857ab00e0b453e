import Foundation
import MecaCore
import MecaDatasets
import MecaFormats
import MecaImages
import MecaMPI
import MecaTraining

/// A set in tar files that WebDataset and the like read: `NNNNNN.png` and `NNNNNN.cls` (the label as
/// text) for each sample, 1,000 samples a file.
///
/// `train-000000.tar`, …, `test-…` and, of a poisoned set, `triggered-…` (labels are the true ones), and
/// `classes.txt`. The numbers are those of the samples in their part. Plain ustar without owners and
/// times, so that the bytes follow from the set.
///
/// - Source: POSIX.1-1988, ustar interchange format.
struct TarShards {
  /// Samples of a file.
  static let samples = 1000

  private let communicator: Communicator
  private let folder: String
  private let data: TrainingData

  /// The files of an opened set below `folder`.
  init(_ data: TrainingData, folder: String, communicator: Communicator) {
    (self.data, self.folder, self.communicator) = (data, folder, communicator)
  }

  /// Writes all files, each by one rank.
  ///
  /// - Ranks: collective.
  /// - Returns: how many files there are.
  /// - Throws: `RemoteFailure`.
  func write() throws -> Int {
    try communicator.collectively {
      if communicator.rank == 0 { try SetFolder(path: folder).prepare(force: false) }
    }
    var parts: [(name: String, set: any ImageSet)] = [
      ("train", data.training), ("test", data.test),
    ]
    if let triggered = data.triggered { parts.append(("triggered", triggered)) }
    let shards = parts.flatMap { part in
      stride(from: 0, to: part.set.count, by: Self.samples).enumerated().map { number, start in
        (
          file: "\(part.name)-\(padded(number)).tar", set: part.set,
          samples: start..<min(start + Self.samples, part.set.count)
        )
      }
    }
    try communicator.collectively {
      for place in communicator.share(of: shards.indices) {
        let shard = shards[place]
        var content: [UInt8] = []
        for index in shard.samples {
          let picture = try encodePNG(try shard.set.image(at: index), shape: shard.set.imageShape)
          content += tarEntry(padded(index) + ".png", picture)
          content += tarEntry(padded(index) + ".cls", Array("\(shard.set.label(at: index))".utf8))
        }
        content += [UInt8](repeating: 0, count: 1024)
        try writeNew(content, to: folder + "/" + shard.file)
      }
    }
    try communicator.collectively {
      try data.watch.check()
      guard communicator.rank == 0 else { return }
      let names = data.training.classNames.map { String($0.map { $0.isNewline ? " " : $0 }) }
      try writeWhole(
        Data(names.map { $0 + "\n" }.joined().utf8), to: folder + "/classes.txt")
    }
    return shards.count
  }

  private func padded(_ number: Int) -> String {
    let digits = "\(number)"
    return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
  }
}

/// One file of a tar archive: its header, its bytes, and zeros up to a multiple of 512.
///
/// - Parameter name: at most 100 bytes.
package func tarEntry(_ name: String, _ content: [UInt8]) -> [UInt8] {
  func field(_ text: String, _ length: Int) -> [UInt8] {
    precondition(text.utf8.count <= length, "\(text) is longer than \(length)")
    return Array(text.utf8) + [UInt8](repeating: 0, count: length - text.utf8.count)
  }
  func octal(_ number: Int, _ digits: Int) -> String {
    let text = String(number, radix: 8)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
  // Name, mode, owner, group, size, time.
  let before =
    field(name, 100) + field(octal(0o644, 7), 8) + field(octal(0, 7), 8) + field(octal(0, 7), 8)
    + field(octal(content.count, 11), 12) + field(octal(0, 11), 12)
  // A file; no link; magic and version; no names of owners, no device, no prefix.
  let after =
    [UInt8(ascii: "0")] + field("", 100) + field("ustar", 6) + Array("00".utf8)
    + field("", 32 + 32) + field(octal(0, 7), 8) + field(octal(0, 7), 8) + field("", 155 + 12)
  // The sum of the header's bytes with eight spaces in its own place.
  let sum = (before + after).reduce(8 * 32) { $0 + Int($1) }
  let header = before + field(octal(sum, 6), 7) + [32] + after
  return header + content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
}
