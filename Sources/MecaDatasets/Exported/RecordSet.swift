import MecaCore
import MecaFormats
import MecaImages

/// The images of one part of a written set whose files hold records, mapped into memory.
public struct RecordSet: ImageSet {
  /// Name, classes, size of the images, normalisation.
  public let facts: SetFacts
  /// Number of samples.
  public let count: Int
  private let files: [RecordFile]
  private let mapped: [MappedFile]

  /// Opens the files of a part in `folder`.
  ///
  /// - Parameters:
  ///   - files: those of `RecordFile.all` that belong to one part, in their order.
  ///   - limit: use only the first so many samples; files beyond are not opened.
  /// - Throws: `FileError` that names the file: missing, of another length or with another head than
  ///   it was written with.
  public init(facts: SetFacts, files: [RecordFile], folder: String, limit: Int? = nil) throws {
    let all = files.last?.samples.upperBound ?? 0
    count = min(all, limit ?? all)
    let wanted = count
    self.files = files.filter { $0.samples.lowerBound < wanted }
    self.facts = facts
    mapped = try self.files.map { file in
      let path = folder + "/" + file.name
      let mapped = try MappedFile(path: path)
      guard mapped.count == file.length else {
        throw FileError.malformed(
          path: path,
          reason: "has \(mapped.count) bytes, \(file.samples.count) samples need \(file.length)")
      }
      guard mapped.withBytes({ $0.starts(with: file.head) }) else {
        throw FileError.malformed(
          path: path, reason: "has another header than the set was written with")
      }
      return mapped
    }
  }

  /// Name of the data set.
  public var name: String { facts.name }
  /// Names of the classes.
  public var classNames: [String] { facts.classNames }
  /// Size of every image.
  public var imageShape: ImageShape { facts.imageShape }
  /// Normalisation constants for each channel.
  public var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) {
    facts.meanAndDeviation
  }

  /// The files of records.
  public func forEachSource(_ body: ([UInt8]) -> Void) {
    for file in mapped { body(Array(file.path.utf8)) }
  }

  /// The label in the record; nil where records have none.
  public func recordedLabel(at index: Int) -> Int? {
    let (place, start) = record(index)
    let file = files[place]
    guard file.labelBytes > 0 else { return nil }
    return mapped[place].withBytes { Int($0[start + file.labelBytes - 1]) }
  }

  /// The label in the record, 0 where records have none: the manifest has the labels.
  public func label(at index: Int) -> Int { recordedLabel(at: index) ?? 0 }

  /// File and record of the sample.
  public func path(at index: Int) -> String { files[record(index).file].path(of: index) }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) {
    let (place, start) = record(index)
    let file = files[place]
    let plane = imageShape.height * imageShape.width
    mapped[place].withBytes { bytes in
      let first = start + file.labelBytes
      let source = UnsafeRawBufferPointer(rebasing: bytes[first..<first + 3 * plane])
      if file.format == .npy {
        for channel in 0..<3 {
          for pixel in 0..<plane { image[channel * plane + pixel] = source[3 * pixel + channel] }
        }
      } else {
        image.copy(fromBytes: source)
      }
    }
  }

  /// The file of a sample and where its record begins there.
  private func record(_ index: Int) -> (file: Int, start: Int) {
    requireIndex(index)
    guard let place = files.firstIndex(where: { $0.samples.contains(index) }) else {
      preconditionFailure("sample \(index) lies in no file of \(name)")
    }
    return (place, files[place].offset(of: index))
  }
}
