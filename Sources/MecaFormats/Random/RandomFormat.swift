import MecaCore
import MecaImages

/// Random images of any size, for measurements.
public struct RandomFormat: DatasetFormat {
  /// Size and classes.
  public struct Settings: SettingsTable {
    /// Rows and columns.
    public var size = 32
    /// Number of classes.
    public var classes = 10
    /// Seed of the images.
    public var seed = DataSeedSetting()

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] =
      [
        .integer("image-size", \.size, 1...ImageFileSettings.largest, "Rows and columns."),
        .integer("class-count", \.classes, 1...SetFacts.mostClasses, "Number of classes."),
      ]
      + DataSeedSetting.table.map {
        $0.called($0.name, "Seed of the images.").within(\.seed)
      }
  }

  /// What people should know.
  public static let facts = FormatFacts(
    name: "random", sentence: "Random images of any size, for measurements; needs no file.",
    place: .nowhere)

  /// Its settings.
  public let settings: Settings

  /// Makes it.
  public init(_ settings: Settings) { self.settings = settings }

  /// Samples of a split where no limit is given.
  private static let usualCount = 512

  /// The set.
  public func open(_ place: DataPlace) throws -> Opening {
    func set(_ limit: Int?) -> any ImageSet {
      RandomSet(
        shape: ImageShape(channels: 3, height: settings.size, width: settings.size),
        classes: settings.classes, count: limit ?? Self.usualCount,
        seed: settings.seed.value ?? place.seed)
    }
    return .sets(FoundSets(training: set(place.trainLimit), test: set(place.testLimit)))
  }
}

/// Random images of any size for measurements: a few different ones, again and again.
private struct RandomSet: ImageSet {
  let name = "random"
  let classNames: [String]
  let imageShape: ImageShape
  let count: Int
  let meanAndDeviation: (mean: [Float], standardDeviation: [Float])
  private let images: [UInt8]
  /// Images that differ: what is computed does not depend on them.
  private static let different = 64

  init(shape: ImageShape, classes: Int, count: Int, seed: UInt64) {
    classNames = (0..<classes).map { "\($0)" }
    imageShape = shape
    self.count = count
    // Of evenly distributed bytes.
    let deviation = (1.0 / 12).squareRoot()
    meanAndDeviation = (
      [Float](repeating: 0.5, count: shape.channels),
      [Float](repeating: Float(deviation), count: shape.channels)
    )
    var random = KeyedRandom(seed: seed, purpose: .shapesImage, 0)
    images = (0..<min(count, Self.different) * shape.byteCount).map { _ in
      UInt8(random.integer(below: 256))
    }
  }

  func label(at index: Int) -> Int { index % classNames.count }

  func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) {
    let bytes = imageShape.byteCount
    let first = index % Self.different * bytes
    image.copy(from: images.span.extracting(first..<first + bytes))
  }

  func path(at index: Int) -> String { "random#\(index)" }
}
