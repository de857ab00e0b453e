import MecaCore
import MecaImages

/// Settings of a patch that lies over a part of the image.
public struct PatchSettings: SettingsTable {
  /// The user's picture in place of the drawn one.
  public var trigger: TriggerFile?
  /// Side in pixels; nil for the attack's own, in proportion to the image.
  public var size: Int?
  /// Where it lies; nil for the attack's own place.
  public var place: TriggerPlace?
  /// Its weight.
  public var weight = WeightSettings()

  /// The defaults.
  public init() {}

  /// Side of a patch at most.
  private static let largest = 1 << 20

  /// All of them.
  public static let table: [Setting<PatchSettings>] =
    [
      .picture("trigger", \.trigger, "Picture in place of the drawn patch, PNG, JPEG or WebP."),
      .integer(
        "trigger-size", \.size, 1...largest, otherwise: "the attack's own, in proportion to images",
        "Side of the patch, pixels."),
      .choice(
        "trigger-place", \.place, otherwise: "the attack's own place", "Place of the patch."),
    ] + WeightSettings.table.map { $0.within(\.weight) }

  /// Refuses a patch that is larger than the images.
  ///
  /// - Throws: `SettingError`.
  func check(imageShape: ImageShape?) throws {
    guard let shape = imageShape, let size else { return }
    let side = min(shape.height, shape.width)
    guard size <= side else {
      throw SettingError(
        setting: "trigger-size", value: "\(size)",
        allowed: "from 1 to \(side), the size of the images")
    }
  }
}

/// The weight of a pattern or patch, "α".
public struct WeightSettings: SettingsTable {
  /// In training, 0 to 1 in steps of 10⁻⁶.
  public var training = 1.0
  /// At test time; nil for the same.
  public var test: Double?

  /// The defaults.
  public init() {}

  /// Opaque, or of another weight in training.
  public init(training: Double) { self.training = training }

  /// At test time.
  public var atTest: Double { test ?? training }

  /// Both of them.
  public static let table: [Setting<WeightSettings>] = [
    .real("blend-alpha", \.training, 0...1, symbol: "α", "Weight of pattern or patch."),
    .real(
      "test-alpha", \.test, 0...1, otherwise: "--blend-alpha",
      "Weight of pattern or patch in test images."),
  ]
}

extension Setting {
  /// A picture of the user's, known by its content, or `auto` for the attack's own drawing.
  static func picture(
    _ name: String, _ path: Path<TriggerFile?>, _ sentence: String
  ) -> Setting {
    let otherwise = "a drawing"
    return Setting(
      name, sentence, symbol: nil,
      allowed: "a PNG, JPEG or WebP file, or \(SettingValue.auto) for \(otherwise)",
      read: { root in
        root[keyPath: path].map { .file(path: $0.path, sha256: $0.sha256) } ?? .unset(otherwise)
      },
      write: { root, text in
        root[keyPath: path] = text == SettingValue.auto ? nil : try TriggerFile(path: text)
      },
      restore: { root, value in
        root[keyPath: path] =
          if case .file(let path, let sha256) = value {
            TriggerFile(path: path, sha256: sha256)
          } else { nil }
      })
  }

  /// Where poisons are drawn from.
  static func poisonPool(_ path: Path<PoisonPool>) -> Setting {
    .choice(
      "poison-pool", path, "Where poisons are drawn from: all samples, or those of other classes.")
  }

  /// The fraction of covers.
  static func coverRate(_ path: Path<Double>) -> Setting {
    .real(
      "cover-rate", path, 0...1,
      "Fraction of the training set that carries a trigger with its true label.")
  }
}
