import MecaCore
import MecaImages

/// What a stored set says of itself as a whole: name, classes, size of the images, normalisation.
public struct SetFacts: Codable, Equatable, Sendable {
  /// Name of the data set.
  public var name: String
  /// Names of the classes; a label is an index into it.
  public var classNames: [String]
  /// Size of every image.
  public var imageShape: ImageShape
  /// Mean of each channel, in units of [0, 1].
  public var mean: [Float]
  /// Standard deviation of each channel, in units of [0, 1].
  public var standardDeviation: [Float]

  private enum CodingKeys: String, CodingKey {
    case name, mean
    case classNames = "class_names"
    case imageShape = "image_shape"
    case standardDeviation = "standard_deviation"
  }

  /// Most classes that a stored set may have.
  public static let mostClasses = 65_536
  /// Rows and columns of a stored image at most.
  public static let mostRows = 16_384

  /// The facts of an opened set.
  public init(of set: any ImageSet) {
    name = set.name
    classNames = set.classNames
    imageShape = set.imageShape
    (mean, standardDeviation) = set.meanAndDeviation
  }

  /// The constants as a pair.
  public var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) {
    (mean, standardDeviation)
  }

  /// Refuses what no set can be; for facts that were read from a file.
  ///
  /// - Throws: `FileError.malformed` for the file at `path`.
  public func validate(path: String) throws {
    func bad(_ reason: String) -> FileError { .malformed(path: path, reason: reason) }
    guard imageShape.channels == 3, (1...Self.mostRows).contains(imageShape.height),
      (1...Self.mostRows).contains(imageShape.width)
    else {
      throw bad(
        "says that images have \(imageShape.channels) channels of "
          + "\(imageShape.height)x\(imageShape.width); 3 of \(Self.mostRows)x\(Self.mostRows) at most"
      )
    }
    guard (1...Self.mostClasses).contains(classNames.count) else {
      throw bad("says that there are \(classNames.count) classes; 1 to \(Self.mostClasses)")
    }
    guard mean.count == 3, mean.allSatisfy(\.isFinite), standardDeviation.count == 3,
      standardDeviation.allSatisfy({ $0.isFinite && $0 > 0 })
    else {
      throw bad("mean and standard_deviation must be 3 numbers each, deviations above 0")
    }
  }
}
