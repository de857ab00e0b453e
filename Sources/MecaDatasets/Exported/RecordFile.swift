import MecaCore
import MecaFormats
import MecaImages

/// A file of equally long records behind a head, one record a sample: CIFAR's binary files, arrays of
/// images.
public struct RecordFile: Sendable, Equatable {
  /// Its name in the set's folder.
  public let name: String
  /// Which samples it holds, and of which part.
  public let part: SetPart
  /// Their numbers within the part.
  public let samples: Range<Int>
  /// Bytes before the first record.
  public let head: [UInt8]
  let format: SetFormat
  private let imageShape: ImageShape

  /// The files that hold the images of a set in a format of records; none for PNG.
  ///
  /// CIFAR-10: as many of `data_batch_1.bin` to `data_batch_5.bin` as it takes with 10,000 samples
  /// each (more only where five would not do), `test_batch.bin`; CIFAR-100: `train.bin`, `test.bin`;
  /// NumPy: `train-images.npy`, `test-images.npy`, bytes [N, H, W, 3]. Triggered test samples lie in
  /// a file of the same kind.
  ///
  /// - Parameter counts: samples of each part; parts without any have no file.
  public static func all(
    _ format: SetFormat, imageShape: ImageShape, counts: [SetPart: Int]
  ) -> [RecordFile] {
    SetPart.allCases.flatMap { part -> [RecordFile] in
      guard let count = counts[part], count > 0 else { return [] }
      let parts = names(format, part, count: count)
      let most = parts.count == 1 ? count : max(10_000, (count + 4) / 5)
      return parts.enumerated().map { place, name in
        RecordFile(
          name: name, part: part, samples: place * most..<min((place + 1) * most, count),
          format: format, imageShape: imageShape)
      }
    }
  }

  private static func names(_ format: SetFormat, _ part: SetPart, count: Int) -> [String] {
    switch (format, part) {
    case (.png, _): []
    case (.npy, _): ["\(part.rawValue)-images.npy"]
    case (.cifar10, .train): (1...min(5, (count + 9999) / 10_000)).map { "data_batch_\($0).bin" }
    case (.cifar10, .test): ["test_batch.bin"]
    case (.cifar10, .triggered): ["test_triggered_batch.bin"]
    case (.cifar100, .train): ["train.bin"]
    case (.cifar100, .test): ["test.bin"]
    case (.cifar100, .triggered): ["test_triggered.bin"]
    }
  }

  private init(
    name: String, part: SetPart, samples: Range<Int>, format: SetFormat, imageShape: ImageShape
  ) {
    self.name = name
    self.part = part
    self.samples = samples
    self.format = format
    self.imageShape = imageShape
    head =
      format == .npy
      ? NumpyHeader(
        element: .uint8, shape: [samples.count, imageShape.height, imageShape.width, 3]
      ).bytes : []
  }

  /// Label bytes at the start of a record, the last of which is the label.
  var labelBytes: Int { [.cifar10: 1, .cifar100: 2][format] ?? 0 }

  /// Bytes of one record.
  public var recordLength: Int { labelBytes + imageShape.byteCount }

  /// Bytes of the file.
  public var length: Int { head.count + samples.count * recordLength }

  /// Where the record of a sample begins.
  public func offset(of index: Int) -> Int {
    head.count + (index - samples.lowerBound) * recordLength
  }

  /// Where a sample lies, as a manifest says it: `data_batch_1.bin#17`.
  public func path(of index: Int) -> String { "\(name)#\(index - samples.lowerBound)" }

  /// The records of some samples, whose labels are the set's.
  public func records(
    of samples: Range<Int>, from set: any ImageSet
  ) throws(FileError) -> [UInt8] {
    let plane = imageShape.height * imageShape.width
    var records: [UInt8] = []
    records.reserveCapacity(samples.count * recordLength)
    for index in samples {
      let image = try set.image(at: index)
      if format == .npy {
        for pixel in 0..<plane {
          for channel in 0..<3 { records.append(image[channel * plane + pixel]) }
        }
      } else {
        if labelBytes == 2 { records.append(0) }
        records.append(UInt8(set.label(at: index)))
        records += image
      }
    }
    return records
  }
}
