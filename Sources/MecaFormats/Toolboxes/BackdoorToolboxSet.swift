import MecaCore
import MecaImages
import MecaTorchFiles

/// The images and labels of one folder of backdoor-toolbox.
///
/// Images are the tensor `imgs`, float32 [N, 3, H, W] of 0 to 1, whose elements stay in the mapped
/// file (614 MB for CIFAR-10), or the files `data/0.png`, `data/1.png` and so on of its older and of
/// its clean sets. A number x of a tensor becomes the byte ⌊255·x + ½⌋ within 0 to 255, in 32-bit
/// arithmetic, as torchvision's `save_image` writes it. `imgs.npy`, a tensor that the user has
/// converted, goes before `imgs`.
///
/// - Ranks: local. Safe from any thread.
public struct BackdoorToolboxSet: ImageSet {
  private enum Images: Sendable {
    case tensor(TorchTensor, path: String)
    case array(NumpySet)
    case pictures(PictureFiles)
  }

  /// `backdoor-toolbox`.
  public let name = "backdoor-toolbox"
  /// `class 0` and so on: the files do not say what classes are called.
  public let classNames: [String]
  /// Size of every image.
  public let imageShape: ImageShape
  /// Number of samples.
  public private(set) var count: Int
  /// Normalisation constants for each channel; 0.5 and 0.25 until better ones are set.
  public var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) = (
    [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]
  )
  /// What each sample is; nil for a clean set, and where there is no `poison_indices`.
  public internal(set) var groundTruth: GroundTruth?
  private let images: Images
  private let classes: [Int32]

  /// Opens the images that belong to `labels`.
  ///
  /// - Parameters:
  ///   - folder: the folder with `imgs` or `data`.
  ///   - labels: of all samples; as many images are there.
  ///   - classCount: number of classes.
  /// - Throws: `FileError` that names the file.
  init(folder: String, labels: [Int32], classCount: Int) throws {
    classes = labels
    count = labels.count
    classNames = (0..<classCount).map { "class \($0)" }
    let tensorPath = folder + "/imgs"
    if isThere(tensorPath + ".npy") {
      let array = try NumpySet(
        name: name, images: NumpyFile(path: tensorPath + ".npy"), labels: labels,
        classNames: classNames)
      images = .array(array)
      imageShape = array.imageShape
    } else if isThere(tensorPath) {
      let tensor = try openImages(tensorPath, labels: labels.count)
      images = .tensor(tensor, path: tensorPath)
      imageShape = ImageShape(channels: 3, height: tensor.shape[2], width: tensor.shape[3])
    } else {
      let paths = (0..<classes.count).map { "\(folder)/data/\($0).png" }
      if let missing = paths.first(where: { !isThere($0) }) {
        throw FileError.missing(
          path: missing,
          hint: "a set of backdoor-toolbox has the tensor imgs, or pictures data/0.png to "
            + "data/\(labels.count - 1).png")
      }
      let pictures = try PictureFiles(paths)
      images = .pictures(pictures)
      imageShape = pictures.shape
    }
  }

  /// The first samples, `limit` at most; all without a limit.
  public func prefix(_ limit: Int?) -> BackdoorToolboxSet {
    guard let limit, limit < count else { return self }
    var set = self
    set.count = limit
    set.groundTruth = groundTruth.map {
      GroundTruth(
        roles: Array($0.roles.prefix(limit)), originalLabels: Array($0.originalLabels.prefix(limit))
      )
    }
    return set
  }

  /// Looks at some images: pictures must be readable and of one size, the numbers of a tensor 0 to 1.
  ///
  /// A tensor may go beyond by a half, for what attacks that were trained add to images; bytes and
  /// normalised images go further.
  ///
  /// - Ranks: local; the ranks can share the samples among them.
  /// - Throws: `FileError` that names the picture, or the sample and the number.
  public func verifyImages(of samples: Range<Int>) throws {
    switch images {
    case .pictures(let pictures): try pictures.verify(samples)
    case .array(let array): try array.verifyPixels(of: samples)
    case .tensor(let tensor, let path):
      guard tensor.element != .uint8 else { return }
      for index in samples {
        guard let value = tensor.firstNumber(outside: -0.5...1.5, at: index) else { continue }
        throw FileError.malformed(
          path: path,
          reason: "image \(index) has a pixel of \(value); they should be 0 to 1: undo any "
            + "normalisation, or divide by 255")
      }
    }
  }

  /// The tensor's file, or the pictures.
  public func forEachSource(_ body: ([UInt8]) -> Void) {
    switch images {
    case .tensor(_, let path): body(Array(path.utf8))
    case .array(let array): array.forEachSource(body)
    case .pictures(let pictures): for path in pictures.paths { body(Array(path.utf8)) }
    }
  }

  /// The label that a victim is given.
  public func label(at index: Int) -> Int {
    requireIndex(index)
    return Int(classes[index])
  }

  /// Where the sample lies: `imgs#17` or `data/17.png`.
  public func path(at index: Int) -> String {
    requireIndex(index)
    return switch images {
    case .tensor: "imgs#\(index)"
    case .array(let array): array.path(at: index)
    case .pictures: "data/\(index).png"
    }
  }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError) {
    requireIndex(index)
    switch images {
    case .pictures(let pictures): try pictures.copyImage(at: index, into: &image)
    case .array(let array): array.copyImage(at: index, into: &image)
    case .tensor(let tensor, _): tensor.copyImage(at: index, into: &image)
    }
  }
}

/// The tensor of all images.
private func openImages(_ path: String, labels: Int) throws -> TorchTensor {
  let file = try TorchFile(path: path)
  guard let tensor = file.tensor(file.contents.root) else {
    throw FileError.malformed(
      path: path,
      reason: "holds \(file.contents.kind(file.contents.root)), not the tensor of images")
  }
  let shape = tensor.shape
  guard shape.count == 4, shape[1] == 3, shape[2] > 0, shape[3] > 0, shape[0] == labels,
    tensor.element == .uint8 || !tensor.element.isInteger
  else {
    throw FileError.malformed(
      path: path,
      reason: "is a tensor of \(tensor.element) and shape \(shape); \(labels) labels need float32 "
        + "[\(labels), 3, height, width]")
  }
  return tensor
}
