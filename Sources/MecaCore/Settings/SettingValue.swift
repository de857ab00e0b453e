/// A setting's value, ready for YAML, JSON and tables.
public enum SettingValue: Sendable, Equatable {
  /// A whole number.
  case integer(Int)
  /// A number.
  case number(Float)
  /// Some numbers.
  case numbers([Float])
  /// A word.
  case text(String)
  /// On or off.
  case flag(Bool)
  /// Not set: what decides in its place.
  case unset(String)

  /// How a user writes that a setting is left to what decides in its place.
  public static let auto = "auto"

  /// As `Setting.write` reads it.
  public var text: String {
    switch self {
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .numbers(let values): values.map { "\($0)" }.joined(separator: ",")
    case .text(let value): value
    case .flag(let value): "\(value)"
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
    case .numbers(let values): try container.encode(values)
    case .text(let value): try container.encode(value)
    case .flag(let value): try container.encode(value)
    case .unset: try container.encodeNil()
    }
  }
}
