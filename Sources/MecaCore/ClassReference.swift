/// A class as people name it: by its name, or by its number.
///
/// Names go first: where classes are called `0`, `1`, `10`, `11`, `2`, the word `2` is the fifth of
/// them, which is what whoever wrote it sees in the folder. `#2` is a number, counted from 0, unless a
/// class is called so.
public enum ClassReference: Hashable, Sendable {
  /// The class with this number.
  case number(Int)
  /// What somebody wrote.
  case written(String)

  /// The number of the class among `names`.
  ///
  /// Names are compared as texts, so that the two Unicode forms of an accented letter are the same.
  ///
  /// - Parameter setting: the name of the setting, for the error.
  /// - Throws: `SettingError`.
  public func number(among names: [String], setting: String) throws -> Int {
    func error(_ text: String) -> SettingError {
      let few = names.prefix(12).enumerated().map { "\($0) \(printable($1))" }
      return SettingError(
        setting: setting, value: text,
        allowed: "a class: its name or number, 0 to \(names.count - 1) ("
          + few.joined(separator: ", ") + (names.count > few.count ? ", …)" : ")"))
    }
    switch self {
    case .number(let number):
      guard names.indices.contains(number) else { throw error("\(number)") }
      return number
    case .written(let text):
      if let place = names.firstIndex(of: text) { return place }
      let digits = text.hasPrefix("#") ? text.dropFirst() : text[...]
      guard let number = Int(digits), names.indices.contains(number) else { throw error(text) }
      return number
    }
  }
}

extension Setting {
  /// A class, by name or number.
  public static func classReference(
    _ name: String, _ path: Path<ClassReference>, _ sentence: String
  ) -> Setting {
    Setting(
      name, sentence, symbol: nil, allowed: "a class: its name or number",
      read: { SettingValue($0[keyPath: path]) },
      write: { root, text in
        guard !text.isEmpty else {
          throw SettingError(setting: name, value: text, allowed: "a class: its name or number")
        }
        root[keyPath: path] = .written(text)
      },
      restore: { root, value in root[keyPath: path] = ClassReference(value) })
  }

  /// Some classes with commas between them, or `auto` where something else decides.
  public static func classReferences(
    _ name: String, _ path: Path<[ClassReference]?>, otherwise: String, _ sentence: String
  ) -> Setting {
    let allowed =
      "classes, by name or number, with commas between them, or \(SettingValue.auto) for "
      + otherwise
    return Setting(
      name, sentence, symbol: nil, allowed: allowed,
      read: { root in
        root[keyPath: path].map { .list($0.map { SettingValue($0) }) } ?? .unset(otherwise)
      },
      write: { root, text in
        if text == SettingValue.auto {
          root[keyPath: path] = nil
          return
        }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map {
          trimmed($0)
        }
        guard parts.allSatisfy({ !$0.isEmpty }) else {
          throw SettingError(setting: name, value: text, allowed: allowed)
        }
        root[keyPath: path] = parts.map { .written($0) }
      },
      restore: { root, value in
        root[keyPath: path] =
          if case .list(let values) = value {
            values.map { ClassReference($0) }
          } else { nil }
      })
  }
}

extension SettingValue {
  fileprivate init(_ reference: ClassReference) {
    self =
      switch reference {
      case .number(let number): .integer(number)
      case .written(let text): .text(text)
      }
  }
}

extension ClassReference {
  fileprivate init(_ value: SettingValue) {
    if case .integer(let number) = value {
      self = .number(number)
    } else {
      self = .written(value.text)
    }
  }
}

extension ClassReference: Codable {
  /// Reads a number or a text.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let number = try? container.decode(Int.self) {
      self = .number(number)
    } else {
      self = .written(try container.decode(String.self))
    }
  }

  /// Writes a number or a text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .number(let number): try container.encode(number)
    case .written(let text): try container.encode(text)
    }
  }
}

extension ClassReference {
  /// As it is written.
  public var text: String {
    switch self {
    case .number(let number): "\(number)"
    case .written(let text): text
    }
  }
}
