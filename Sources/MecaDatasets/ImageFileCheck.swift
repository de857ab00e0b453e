import MecaCore
import MecaFormats
import MecaImages
import MecaMPI

/// A file of a set that cannot be decoded.
struct BrokenImage: Sendable, Equatable {
  /// Sample in the set as it was listed.
  var index: Int
  /// The file and what is wrong with it, one line.
  var reason: String
  /// The exit status that the error asks for.
  var exitCode: ExitCode
}

/// What one pass over all images of a set finds; equal on all ranks.
struct ImageFileCheck: Sendable {
  /// SHA-256 of the set: its size, and the digest of each block of samples.
  var digest: String
  /// Files that cannot be decoded, in the order of the samples.
  var broken: [BrokenImage]
  /// Sums over the images that can.
  var sums: ChannelSums
  /// How many were turned as their Exif data say.
  var turned = 0
  /// How many have transparent parts.
  var transparent = 0
  /// Labels of which all images are the same, two or more.
  var uniformLabels: [Int] = []
}

/// Sums of bytes and of their squares, by channel; exact, so that their order does not matter.
struct ChannelSums: Sendable, Equatable {
  /// Pixels of one channel.
  var pixels: UInt64 = 0
  /// Σ x.
  var sums = [UInt64](repeating: 0, count: 3)
  /// Σ x²; 2⁶⁴ is reached with 2.8·10¹⁴ white pixels.
  var squares = [UInt64](repeating: 0, count: 3)

  /// Mean and standard deviation of x/255; at least one step of a byte, so that a set without
  /// contrast can be normalised too.
  var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) {
    let count = Double(max(pixels, 1))
    let means = sums.map { Double($0) / count }
    let deviations = zip(squares, means).map { square, mean in
      max(1, max(0, Double(square) / count - mean * mean).squareRoot())
    }
    return (means.map { Float($0 / 255) }, deviations.map { Float($0 / 255) })
  }

  /// Adds one image: channel, row, column.
  mutating func add(_ image: borrowing Span<UInt8>, plane: Int) {
    pixels += UInt64(plane)
    for channel in 0..<3 {
      var (sum, square): (UInt64, UInt64) = (0, 0)
      for place in channel * plane..<(channel + 1) * plane {
        let value = UInt64(image[place])
        sum &+= value
        square &+= value &* value
      }
      sums[channel] += sum
      squares[channel] += square
    }
  }

  /// Adds some images of a set.
  mutating func add(_ set: any ImageSet, samples: Range<Int>) throws(FileError) {
    let shape = set.imageShape
    var image = [UInt8](repeating: 0, count: shape.byteCount)
    for index in samples {
      var span = image.mutableSpan
      try set.copyImage(at: index, into: &span)
      add(image.span, plane: shape.height * shape.width)
    }
  }

  /// The sums of all ranks.
  ///
  /// - Ranks: collective.
  func summed(over communicator: Communicator) throws -> ChannelSums {
    let rows = try communicator.allGather(
      local: row, counts: [Int](repeating: row.count, count: communicator.size))
    var sums = ChannelSums()
    for start in stride(from: 0, to: rows.count, by: row.count) {
      sums.add(row: rows[start..<start + row.count])
    }
    return sums
  }

  /// Mean and standard deviation of all images of a set, of which each rank looks at its share.
  ///
  /// - Ranks: collective.
  static func meanAndDeviation(
    of set: any ImageSet, _ communicator: Communicator
  ) throws -> (mean: [Float], standardDeviation: [Float]) {
    let own = try communicator.collectively {
      var own = ChannelSums()
      try own.add(set, samples: communicator.share(of: 0..<set.count))
      return own
    }
    return try own.summed(over: communicator).meanAndDeviation
  }

  /// The numbers in one row, to send.
  fileprivate var row: [UInt64] { [pixels] + sums + squares }

  fileprivate mutating func add(row: ArraySlice<UInt64>) {
    let row = Array(row)
    pixels += row[0]
    for channel in 0..<3 {
      sums[channel] += row[1 + channel]
      squares[channel] += row[4 + channel]
    }
  }
}

/// Samples whose images are digested together; part of the digest's definition.
private let checkedBlock = 64

/// Decodes every image of a set once, each on one rank.
///
/// Block b holds samples [64·b, 64·(b+1)), whatever the number of ranks and threads; its digest is
/// that of the labels and images in it that can be decoded.
///
/// - Ranks: collective.
/// - Parameter threads: threads of this rank.
func checkImages(
  _ set: ImageFileSet, communicator: Communicator, threads: Int
) throws -> ImageFileCheck {
  let blocks = 0..<(set.count + checkedBlock - 1) / checkedBlock
  func share(_ rank: Int) -> Range<Int> {
    evenSplit(blocks, parts: communicator.size, part: rank)
  }
  let own = share(communicator.rank)
  let readers = (0..<threads).map { _ in BlockReader(set) }
  runOnThreads(threads) { thread in
    for block in evenSplit(own, parts: threads, part: thread) {
      readers[thread].read(block * checkedBlock..<min((block + 1) * checkedBlock, set.count))
    }
  }
  let ranks = 0..<communicator.size
  let digests = try communicator.allGather(
    local: readers.flatMap(\.digests), counts: ranks.map { 64 * share($0).count })
  var sums = ChannelSums()
  for reader in readers { sums.add(row: reader.sums.row[...]) }
  sums = try sums.summed(over: communicator)
  let broken = try communicator.allGatherText(
    readers.flatMap(\.broken).map(\.line).joined(separator: "\n"))
  var classes = [ClassLook](repeating: ClassLook(), count: set.classNames.count)
  for reader in readers {
    for label in classes.indices { classes[label].add(reader.classes[label]) }
  }
  let looks = try communicator.allGather(
    local: classes, counts: ranks.map { _ in classes.count })
  let counts = try communicator.allGather(
    local: [
      readers.reduce(0) { $0 + $1.turned }, readers.reduce(0) { $0 + $1.transparent },
    ], counts: ranks.map { _ in 2 })
  var digest = SHA256Digest()
  let shape = set.imageShape
  digest.update([set.count, set.classNames.count, shape.channels, shape.height, shape.width])
  digest.update(digests)
  return ImageFileCheck(
    digest: digest.hexadecimal(),
    broken: broken.flatMap { $0.split(separator: "\n").map(BrokenImage.init(line:)) }, sums: sums,
    turned: stride(from: 0, to: counts.count, by: 2).reduce(0) { $0 + counts[$1] },
    transparent: stride(from: 1, to: counts.count, by: 2).reduce(0) { $0 + counts[$1] },
    uniformLabels: classes.indices.filter { label in
      var all = ClassLook()
      for rank in ranks { all.add(looks[rank * classes.count + label]) }
      return all.isUniform
    })
}

/// What one thread finds in its blocks.
private final class BlockReader {
  private let set: ImageFileSet
  private var image: [UInt8]
  private(set) var digests: [UInt8] = []
  private(set) var broken: [BrokenImage] = []
  private(set) var sums = ChannelSums()
  private(set) var turned = 0
  private(set) var transparent = 0
  private(set) var classes: [ClassLook]

  init(_ set: ImageFileSet) {
    classes = [ClassLook](repeating: ClassLook(), count: set.classNames.count)
    self.set = set
    image = [UInt8](repeating: 0, count: set.imageShape.byteCount)
  }

  func read(_ samples: Range<Int>) {
    var digest = SHA256Digest()
    for index in samples {
      do throws(FileError) {
        var span = image.mutableSpan
        let changes = try set.read(index, into: &span)
        turned += changes.wasTurned ? 1 : 0
        transparent += changes.wasTransparent ? 1 : 0
      } catch {
        broken.append(
          BrokenImage(index: index, reason: "\(error)", exitCode: error.exitCode))
        continue
      }
      digest.update([Int32(set.label(at: index))])
      digest.update(image)
      classes[set.label(at: index)].add(image)
      sums.add(image.span, plane: set.imageShape.height * set.imageShape.width)
    }
    digests += Array(digest.hexadecimal().utf8)
  }
}

extension BrokenImage {
  /// The entry as a line, to send.
  fileprivate var line: String { "\(index)\t\(exitCode.rawValue)\t\(reason)" }

  /// The entry of a line.
  fileprivate init(line: Substring) {
    let fields = line.split(separator: "\t", maxSplits: 2)
    guard fields.count == 3, let index = Int(fields[0]),
      let exitCode = Int32(fields[1]).flatMap(ExitCode.init(rawValue:))
    else { preconditionFailure("no line of a broken image: \(line)") }
    self.init(index: index, reason: String(fields[2]), exitCode: exitCode)
  }
}
