import MecaCore
import MecaFormats
import MecaImages
import MecaMPI

/// The size that the images of a run are brought to: the one that is wanted, and else the one that
/// all files have.
///
/// - Ranks: collective.
/// - Throws: `RemoteFailure` with `MissingSetting` if the files are of different sizes.
func imageShape(
  _ splits: ImageFileSplits, size: Int?, rules: PictureRules, communicator: Communicator,
  threads: Int
) throws -> ImageShape {
  if let size {
    return ImageShape(channels: 3, height: size, width: size)
  }
  let files = [splits.train, splits.test]
  var found: [FoundSize] = []
  for (part, list) in files.enumerated() {
    let own = communicator.share(of: 0..<list.count)
    let finders = (0..<threads).map { _ in SizeFinder() }
    runOnThreads(threads) { thread in
      for index in evenSplit(own, parts: threads, part: thread) {
        // What cannot be read is found again, and reported, when it is decoded.
        guard let shape = try? ImageFileSet.size(of: index, in: list, rules) else { continue }
        finders[thread].note(FoundSize(shape, part: part, index: index))
      }
    }
    found += finders.flatMap(\.extremes)
  }
  let counts = try communicator.allGather(
    local: [Int64(found.count)], counts: [Int](repeating: 1, count: communicator.size))
  let all = try communicator.allGather(local: found, counts: counts.map(Int.init)).sorted(by: <)
  // Nothing can be read: any size will do until that is said.
  guard let smallest = all.first, let largest = all.last else {
    return ImageShape(channels: 3, height: 32, width: 32)
  }
  if smallest.size != largest.size {
    try communicator.collectively {
      func text(_ found: FoundSize) -> String {
        let path = files[Int(found.part)].paths.text(Int(found.index))
        return "\(found.size.width)x\(found.size.height) (\(path))"
      }
      throw MissingSetting(
        setting: "image-size",
        problem: "the images in \(splits.train.root) are of different sizes, from "
          + "\(text(smallest)) to \(text(largest)); say which one to bring them to, for example 64")
    }
  }
  return smallest.size
}

/// A size that a file has.
private struct FoundSize: BitwiseCopyable, Sendable {
  var height: Int32
  var width: Int32
  var part: Int32
  var index: Int32

  init(_ shape: ImageShape, part: Int, index: Int) {
    (height, width) = (Int32(shape.height), Int32(shape.width))
    (self.part, self.index) = (Int32(part), Int32(index))
  }

  var size: ImageShape { ImageShape(channels: 3, height: Int(height), width: Int(width)) }

  /// By pixels, then rows, then place.
  static func < (first: FoundSize, second: FoundSize) -> Bool {
    func key(_ found: FoundSize) -> (Int64, Int32, Int32, Int32) {
      (Int64(found.height) * Int64(found.width), found.height, found.part, found.index)
    }
    return key(first) < key(second)
  }
}

/// The smallest and the largest size that one thread finds.
private final class SizeFinder {
  private var smallest: FoundSize?
  private var largest: FoundSize?

  var extremes: [FoundSize] { [smallest, largest].compactMap(\.self) }

  func note(_ found: FoundSize) {
    if smallest.map({ found < $0 }) ?? true { smallest = found }
    if largest.map({ $0 < found }) ?? true { largest = found }
  }
}
