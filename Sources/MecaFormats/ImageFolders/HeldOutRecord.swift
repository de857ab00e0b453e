import Foundation
import MecaCore

/// What a run remembers of a set out of which it held images: how, which, and how to know the set
/// again.
///
/// A stored model carries it, so that whoever measures the model on the folder it was trained on gets
/// the images that it has not seen, and of another folder all images.
public struct HeldOutRecord: Codable, Equatable, Sendable {
  /// Share that was held out.
  public var share: Double
  /// Seed of the choice.
  public var seed: UInt64
  /// Number of images that were held out.
  public var count: Int
  /// SHA-256 of their paths.
  public var digest: String
  /// Of the training images those with the least of these numbers: the first 64 bits of SHA-256 of path
  /// and length, as hexadecimal digits.
  ///
  /// A sample that does not depend on the order of the files.
  public var sketch: [String]

  /// Training images that are remembered at most.
  private static let sketchCount = 64

  /// What to remember of a set.
  public init(_ part: HeldOutPart, train: ImageFileList, test: ImageFileList) {
    (share, seed, count) = (part.share, part.seed, test.count)
    digest = Self.digest(of: test)
    sketch = Array(train.marks.sorted().prefix(Self.sketchCount))
  }

  /// The choice.
  public var part: HeldOutPart { HeldOutPart(share: share, seed: seed) }

  /// Whether some files are those of the set, of which some may have come or gone since.
  func isSet(of files: ImageFileList) -> Bool {
    let marks = Set(files.marks)
    return 2 * sketch.count { marks.contains($0) } > sketch.count
  }

  /// SHA-256 of the paths of some files, whatever their order.
  static func digest(of files: ImageFileList) -> String {
    var digest = SHA256Digest()
    for path in (0..<files.count).map({ Array(files.paths[$0]) })
      .sorted(by: { $0.lexicographicallyPrecedes($1) })
    { digest.update(path + [0]) }
    return digest.hexadecimal()
  }

  /// The record as a model's metadata hold it.
  public var text: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// Reads such a record; nil for anything else.
  public init?(_ text: String) {
    guard let record = try? JSONDecoder().decode(HeldOutRecord.self, from: Data(text.utf8)),
      record.share > 0, record.share < 1, !record.sketch.isEmpty
    else { return nil }
    self = record
  }
}

extension ImageFileList {
  /// For each file the number by which it is remembered.
  fileprivate var marks: [String] {
    (0..<count).map { index in
      var digest = SHA256Digest()
      digest.update(Array(paths[index]))
      digest.update([Int64(status(of: fullPath(index))?.st_size ?? -1)])
      return hexadecimal(digest.bytes().prefix(8))
    }
  }
}
