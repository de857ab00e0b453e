import Glibc
import MecaCore
import MecaImages

/// CIFAR-10 or CIFAR-100 in the binary version of its authors, read through memory-mapped files.
///
/// A record is one label byte (CIFAR-100: coarse, then fine label) and 3,072 bytes: the red, green
/// and blue plane of a 32×32 image, row by row. Labels are checked and copied when the set is
/// opened; images are read from the mapping whenever they are asked for.
///
/// - Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images";
///   https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
public struct CIFARSet: ImageSet {
  /// Which of the two data sets.
  public enum Variant: String, Sendable, CaseIterable, Codable {
    /// 10 classes.
    case cifar10
    /// 100 classes (the fine labels).
    case cifar100
  }

  /// One file and the samples it holds.
  private struct Part: Sendable {
    var file: MappedFile
    var fileName: String
    var samples: Range<Int>
  }

  /// Name of the data set.
  public let name: String
  /// Names of the classes.
  public let classNames: [String]
  /// Size of every image.
  public let imageShape = ImageShape(channels: 3, height: 32, width: 32)
  /// Number of samples.
  public let count: Int
  private let variant: Variant
  private let parts: [Part]
  private let classes: [UInt8]

  /// Opens the files of one split in `folder`, or in the folder of the official archive inside it.
  ///
  /// CIFAR-10 takes those of `data_batch_1.bin` to `data_batch_5.bin` that are there.
  ///
  /// - Parameters:
  ///   - folder: where the binary files are.
  ///   - variant: which data set.
  ///   - split: training or test samples.
  ///   - limit: use only the first so many samples; files beyond are not opened.
  /// - Throws: `FileError` that names the file: missing, unreadable, cut off, or a label that the
  ///   data set does not have; `SettingError` for a limit below 1.
  public init(folder: String, variant: Variant, split: Split, limit: Int? = nil) throws {
    if let limit, limit < 1 {
      throw SettingError(
        setting: split == .train ? "train-limit" : "test-limit", value: "\(limit)",
        allowed: "at least 1")
    }
    let home = try variant.locate(in: folder)
    var parts: [Part] = []
    var classes: [UInt8] = []
    let names = variant.fileNames(split)
    let present = names.map { access(home + "/" + $0, F_OK) == 0 }
    if let last = present.lastIndex(of: true), let hole = present[..<last].firstIndex(of: false) {
      throw FileError.missing(
        path: home + "/" + names[hole],
        hint: "\(names[last]) is there: bring the missing file back, or number the files without a "
          + "hole")
    }
    for (fileName, isPresent) in zip(names, present) where isPresent {
      if let limit, classes.count >= limit { break }
      let path = home + "/" + fileName
      let file = try MappedFile(path: path)
      let first = classes.count
      try variant.appendLabels(of: file, to: &classes, limit: limit)
      parts.append(Part(file: file, fileName: fileName, samples: first..<classes.count))
    }
    guard !parts.isEmpty else { throw variant.noFiles(in: home, split) }
    self.name = variant.rawValue
    self.variant = variant
    self.parts = parts
    self.classes = classes
    self.count = classes.count
    self.classNames = try variant.readClassNames(in: home)
  }

  /// Number of files that the samples come from.
  var fileCount: Int { parts.count }

  /// Class of the sample at `index`.
  public func label(at index: Int) -> Int {
    requireIndex(index)
    return Int(classes[index])
  }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) {
    let part = part(of: index)
    let start = (index - part.samples.lowerBound) * variant.recordLength + variant.labelBytes
    part.file.withBytes { bytes in
      image.copy(fromBytes: UnsafeRawBufferPointer(rebasing: bytes[start..<start + 3072]))
    }
  }

  /// Where the sample comes from, for lists that a person reads.
  public func path(at index: Int) -> String {
    let part = part(of: index)
    return "\(part.fileName)#\(index - part.samples.lowerBound)"
  }

  /// The binary files.
  public func forEachSource(_ body: ([UInt8]) -> Void) {
    for part in parts { body(Array(part.file.path.utf8)) }
  }

  /// The constants in general use for these sets (pixel statistics of the training images).
  public var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) {
    switch variant {
    case .cifar10: ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616])
    case .cifar100: ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762])
    }
  }

  /// The file that holds a sample; five at most, so a walk is fastest.
  private func part(of index: Int) -> Part {
    requireIndex(index)
    guard let part = parts.first(where: { $0.samples.contains(index) }) else {
      preconditionFailure("sample \(index) lies in no file of \(name)")
    }
    return part
  }
}
