import MecaCore
import MecaImages

/// Images and labels out of two `.npy` files, converted to bytes in the order channel, row, column.
///
/// Images: `uint8` 0 to 255, or `float32`/`float64` 0 to 1, which become `⌊255·x + ½⌋`. Shapes
/// [N, H, W, 3], [N, 3, H, W], or grey [N, H, W], [N, 1, H, W] and [N, H, W, 1], whose channel is
/// given three times. Where both the second and the last extent are 3, the last is the channels'.
/// Images are read from the mapping whenever they are asked for.
public struct NumpySet: ImageSet {
  /// How the numbers of an image lie in the file.
  private enum Order {
    case channelsLast, channelsFirst, grey
  }

  /// Name of the data set.
  public let name: String
  /// Names of the classes.
  public let classNames: [String]
  /// Size of every image.
  public let imageShape: ImageShape
  /// Number of samples.
  public private(set) var count: Int
  /// Normalisation constants for each channel; 0.5 and 0.25 until they are measured.
  public var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) = (
    [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]
  )
  /// What each sample really is, where it is known.
  public var groundTruth: GroundTruth?
  private let images: NumpyFile
  private let fileName: String
  private let order: Order
  private let classes: [Int32]

  /// How far a floating-point pixel may lie outside 0 to 1; what arithmetic in float32 adds up to.
  private static let slack = 1e-3

  /// A set of the images of one file and the labels beside them.
  ///
  /// - Parameters:
  ///   - name: name of the data set.
  ///   - images: the opened file of the images.
  ///   - labels: one class for each image, as `readNumpyLabels` gives them.
  ///   - classNames: names of the classes; every label must be below their number.
  /// - Throws: `FileError.malformed` for another shape or kind of numbers, or another number of
  ///   images than labels.
  public init(
    name: String, images: NumpyFile, labels: [Int32], classNames: [String]
  ) throws {
    (order, imageShape) = try Self.layout(of: images)
    let found = images.header.shape[0]
    guard found == labels.count else {
      throw FileError.malformed(
        path: images.path, reason: "has \(found) images for \(labels.count) labels")
    }
    self.name = name
    self.images = images
    fileName = images.path.split(separator: "/").last.map(String.init) ?? images.path
    self.classNames = classNames
    count = found
    classes = labels
  }

  /// The first `limit` samples; all for nil.
  public func prefix(_ limit: Int?) -> NumpySet {
    var result = self
    result.count = min(count, limit ?? count)
    result.groundTruth = groundTruth.map {
      GroundTruth(
        roles: Array($0.roles.prefix(result.count)),
        originalLabels: Array($0.originalLabels.prefix(result.count)))
    }
    return result
  }

  private static func layout(of images: NumpyFile) throws -> (Order, ImageShape) {
    func bad(_ reason: String) -> FileError { .malformed(path: images.path, reason: reason) }
    let element = images.header.element
    guard [.uint8, .float32, .float64].contains(element) else {
      throw bad("holds \(element); images are uint8 from 0 to 255, or float32/float64 from 0 to 1")
    }
    let shape = images.header.shape
    if shape.count == 4, [1, 3].contains(shape[1]), [1, 3].contains(shape[3]) {
      throw bad(
        "has the shape (\(shape.map { "\($0)" }.joined(separator: ", "))), in which the channels may "
          + "be the second extent or the last; no such images are read")
    }
    let order: Order? =
      switch shape.count {
      case 3: .grey
      case 4 where shape[3] == 3: .channelsLast
      case 4 where shape[1] == 3: .channelsFirst
      case 4 where shape[1] == 1 || shape[3] == 1: .grey
      default: nil
      }
    guard let order else {
      throw bad(
        "has the shape (\(shape.map { "\($0)" }.joined(separator: ", "))); images are [N, H, W, 3], "
          + "[N, 3, H, W], or grey [N, H, W] or [N, 1, H, W]")
    }
    guard !shape.contains(0) else { throw bad("holds no image") }
    let channelsSecond = shape.count == 4 && (order == .channelsFirst || shape[3] != 1)
    let firstExtent = order != .channelsLast && channelsSecond ? 2 : 1
    let (height, width) = (shape[firstExtent], shape[firstExtent + 1])
    let most = SetFacts.mostRows
    guard height <= most, width <= most else {
      throw bad("has images of \(height)x\(width) pixels; \(most)x\(most) at most")
    }
    return (order, ImageShape(channels: 3, height: height, width: width))
  }

  /// The file of the images.
  public func forEachSource(_ body: ([UInt8]) -> Void) { body(Array(images.path.utf8)) }

  /// Path of the file of the images.
  public var filePath: String { images.path }

  /// Class of the sample at `index`.
  public func label(at index: Int) -> Int {
    requireIndex(index)
    return Int(classes[index])
  }

  /// Where the sample comes from, for lists that a person reads.
  public func path(at index: Int) -> String {
    requireIndex(index)
    return "\(fileName)#\(index)"
  }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) {
    requireIndex(index)
    let pixels = imageShape.height * imageShape.width
    let channels = order == .grey ? 1 : 3
    let first = index * pixels * channels
    images.file.withBytes { bytes in
      for channel in 0..<channels {
        let plane = channel * pixels
        let step = order == .channelsLast ? 3 : 1
        let start = first + (order == .channelsLast ? channel : channel * pixels)
        if images.header.element == .uint8 {
          for pixel in 0..<pixels {
            image[plane + pixel] = bytes[images.header.dataOffset + start + pixel * step]
          }
        } else {
          for pixel in 0..<pixels {
            image[plane + pixel] = byte(images.float(at: start + pixel * step, in: bytes))
          }
        }
      }
    }
    if order == .grey {
      for place in pixels..<3 * pixels { image[place] = image[place - pixels] }
    }
  }

  /// A pixel of 0 to 1 as a byte; what is no number or outside becomes the nearest byte.
  @inline(__always)
  private func byte(_ value: Double) -> UInt8 {
    UInt8(max(0, min(255, (value * 255 + 0.5).rounded(.down))))
  }

  /// Looks at the floating-point pixels of some samples: every one must lie between 0 and 1.
  ///
  /// - Ranks: local; the ranks can share the samples among them.
  /// - Throws: `FileError.malformed` that names sample and value.
  public func verifyPixels(of samples: Range<Int>) throws {
    guard images.header.element != .uint8, !samples.isEmpty else { return }
    let perImage = imageShape.height * imageShape.width * (order == .grey ? 1 : 3)
    try images.file.withBytes { bytes in
      for place in samples.lowerBound * perImage..<samples.upperBound * perImage {
        let value = images.float(at: place, in: bytes)
        // A comparison with NaN is false.
        guard value >= -Self.slack && value <= 1 + Self.slack else {
          throw FileError.malformed(
            path: images.path,
            reason:
              "image \(place / perImage) has a pixel of \(value); floating-point images go from "
              + "0 to 1: divide by 255, and undo any normalisation")
        }
      }
    }
  }
}

/// Labels out of a `.npy` file of integers, [N] or [N, 1].
///
/// - Throws: `FileError.malformed` for another shape or kind of numbers, or a label that is negative
///   or beyond the `mostClasses` classes that a set may have.
public func readNumpyLabels(_ path: String, mostClasses: Int = SetFacts.mostClasses) throws
  -> [Int32]
{
  let file = try NumpyFile(path: path)
  let shape = file.header.shape
  guard shape.count == 1 || (shape.count == 2 && shape[1] == 1) else {
    throw FileError.malformed(
      path: path,
      reason: "has the shape (\(shape.map { "\($0)" }.joined(separator: ", "))); labels are [N]")
  }
  return try file.integers().enumerated().map { index, label in
    guard label >= 0 && label < mostClasses else {
      throw FileError.malformed(
        path: path,
        reason: "label \(index) is \(label); labels go from 0 to \(mostClasses - 1) at most")
    }
    return Int32(label)
  }
}
