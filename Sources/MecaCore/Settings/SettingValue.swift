/// A setting's value, ready for YAML, JSON and tables.
public indirect enum SettingValue: Sendable, Hashable {
  /// A whole number.
  case integer(Int)
  /// A number.
  case number(Float)
  /// A number in double precision.
  case real(Double)
  /// Some numbers.
  case numbers([Float])
  /// Some values of other kinds.
  case list([SettingValue])
  /// A word.
  case text(String)
  /// On or off.
  case flag(Bool)
  /// A file: where it lies, and SHA-256 of its content, which alone says what it is.
  case file(path: String, sha256: String)
  /// Not set: what decides in its place.
  case unset(String)

  /// How a user writes that a setting is left to what decides in its place.
  public static let auto = "auto"

  /// As `Setting.write` reads it.
  public var text: String {
    switch self {
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .real(let value): "\(value)"
    case .numbers(let values): values.map { "\($0)" }.joined(separator: ",")
    case .list(let values): values.map(\.text).joined(separator: ",")
    case .text(let value): value
    case .flag(let value): "\(value)"
    case .file(let path, _): path
    case .unset: Self.auto
    }
  }

  /// For people: the value, or what decides in its place.
  public var words: String {
    if case .unset(let otherwise) = self { "\(text) (\(otherwise))" } else { text }
  }
}

extension SettingValue: Encodable {
  /// Writes the bare value; one that is not set as null.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .real(let value): try container.encode(value)
    case .numbers(let values): try container.encode(values)
    case .list(let values): try container.encode(values)
    case .text(let value): try container.encode(value)
    case .flag(let value): try container.encode(value)
    case .file(let path, let sha256): try container.encode(StoredFile(path: path, sha256: sha256))
    case .unset: try container.encodeNil()
    }
  }
}

/// A file as JSON says it.
private struct StoredFile: Codable {
  var path: String
  var sha256: String
}

extension SettingValue: Decodable {
  /// Reads what `encode(to:)` writes; null has no word on what decides.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .unset("")
    } else if let value = try? container.decode(Bool.self) {
      self = .flag(value)
    } else if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .real(value)
    } else if let value = try? container.decode(String.self) {
      self = .text(value)
    } else if let values = try? container.decode([SettingValue].self) {
      self = .list(values)
    } else {
      let file = try container.decode(StoredFile.self)
      self = .file(path: file.path, sha256: file.sha256)
    }
  }
}
