import MecaCore
import MecaImages

/// What happens when an image file cannot be decoded.
public enum BadImagePolicy: String, Codable, Sendable, CaseIterable {
  /// The run ends with an error that names the file.
  case stop
  /// The sample is left out on every rank, and reported.
  case skip
}

/// How image files become images of one size.
public struct ImageFileSettings: SettingsTable {
  /// Rows and columns to bring them to; nil for the size that all files have.
  public var size: Int?
  /// How.
  public var fit: ImageFit
  /// What happens to files that cannot be decoded.
  public var onBadImage = BadImagePolicy.stop
  /// What becomes of orientation and transparency.
  public var rules = PictureRules()

  /// The size that all files have.
  public init() { self.init(size: nil, fit: .cover) }

  /// Usual values of a format.
  public init(size: Int?, fit: ImageFit) { (self.size, self.fit) = (size, fit) }

  /// Rows and columns of images at most.
  public static let largest = 1024

  /// All of them.
  public static let table: [Setting<ImageFileSettings>] = [
    .integer(
      "image-size", \.size, 1...largest, otherwise: "the size that all files have",
      "Rows and columns to bring image files to."),
    .choice(
      "image-fit", \.fit,
      "How: cover (shorter side to the size, middle cut out), margin (shorter side to 8/7 of it, "
        + "middle cut out), stretch."),
    .choice(
      "on-bad-image", \.onBadImage,
      "Image files that cannot be decoded: stop the run, or skip them."),
    .choice(
      "orientation", \.rules.orientation,
      "Orientation that cameras note in Exif data: apply it, or ignore it."),
    Setting(
      "background",
      "What lies behind transparent parts; stored: every pixel counts with its colour.",
      symbol: nil, allowed: backgrounds,
      read: { .text($0.rules.background.text) },
      write: { settings, text in
        guard let background = Background(text) else {
          throw SettingError(setting: "background", value: text, allowed: backgrounds)
        }
        settings.rules.background = background
      }),
  ]

  private static let backgrounds = "white, black, grey, stored, or a colour as #rrggbb"
}
