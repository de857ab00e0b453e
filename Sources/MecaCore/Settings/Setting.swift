/// The settings of a method, each declared once.
///
/// Flags and `--set`, YAML in and out, checks, `meca-dist defenses NAME`, `docs/options.md` and
/// `run.json` all come from `table`.
public protocol SettingsTable: Codable, Hashable, Sendable {
  /// The defaults.
  init()
  /// Every setting, in the order in which people should read them.
  static var table: [Setting<Self>] { get }
  /// Named sets of values to start from instead of the defaults.
  static var variants: [SettingsVariant<Self>] { get }
  /// Checks what no setting can check alone.
  ///
  /// - Throws: `SettingError` that names a setting.
  func validate() throws
}

extension SettingsTable {
  /// None.
  public static var variants: [SettingsVariant<Self>] { [] }
  /// Nothing to check.
  public func validate() throws {}

  /// The names of the settings, in the table's order.
  public static var names: [String] { table.map(\.name) }

  /// The setting called `name`.
  public static func setting(named name: String) -> Setting<Self>? {
    table.first { $0.name == name }
  }

  /// The value of every setting, in the table's order.
  public var values: [(name: String, value: SettingValue)] {
    Self.table.map { ($0.name, $0.read(self)) }
  }

  /// Sets the setting called `name` to what `text` says.
  ///
  /// - Throws: `SettingError` for an unknown name or a value that cannot be.
  public mutating func set(_ name: String, to text: String) throws {
    guard let setting = Self.setting(named: name) else {
      throw SettingError(
        setting: name, value: text,
        allowed: "a setting of this method: " + Self.names.joined(separator: ", "))
    }
    try setting.write(&self, text)
  }

  /// Sets some settings to what texts say, in the table's order, and checks what no setting can
  /// check alone.
  ///
  /// Names that are not in the table are somebody else's.
  ///
  /// - Throws: `SettingError`, and `FileError` for a file that is looked at.
  public mutating func set(_ values: [String: String]) throws {
    for setting in Self.table {
      if let text = values[setting.name] { try setting.write(&self, text) }
    }
    try validate()
  }
}

/// Values under a name that differ from the defaults, for example those of a paper.
public struct SettingsVariant<Root: Sendable>: Sendable {
  /// Name for `--variant`.
  public let name: String
  /// What it is, one sentence.
  public let sentence: String
  /// The values.
  public let settings: Root

  /// All values.
  public init(name: String, sentence: String, settings: Root) {
    (self.name, self.sentence, self.settings) = (name, sentence, settings)
  }
}

/// One setting: its name, what it means, what it may be, and where its value lies.
public struct Setting<Root: Sendable>: Sendable {
  /// Name on the command line (`--name`) and in YAML (`name:`).
  public let name: String
  /// What it means, one sentence.
  public let sentence: String
  /// Its symbol in the paper, for example "λ"; nil if it has none.
  public let symbol: String?
  /// Which values are allowed, in words that go behind "must be".
  public let allowed: String
  /// Whether it is on or off, so that `--name` alone says what is meant.
  public let isFlag: Bool
  /// Its value among some settings.
  public let read: @Sendable (Root) -> SettingValue
  /// Changes its value to what a text says; throws `SettingError`, and `FileError` where it names a
  /// file that is looked at.
  public let write: @Sendable (inout Root, String) throws -> Void
  /// Changes its value to one that `read` has given, perhaps long ago; throws `SettingError`.
  ///
  /// A file is not looked at.
  public let restore: @Sendable (inout Root, SettingValue) throws -> Void

  /// All values.
  public init(
    _ name: String, _ sentence: String, symbol: String?, allowed: String, isFlag: Bool = false,
    read: @escaping @Sendable (Root) -> SettingValue,
    write: @escaping @Sendable (inout Root, String) throws -> Void,
    restore: (@Sendable (inout Root, SettingValue) throws -> Void)? = nil
  ) {
    self.name = name
    self.sentence = sentence
    self.symbol = symbol
    self.allowed = allowed
    self.isFlag = isFlag
    self.read = read
    self.write = write
    self.restore = restore ?? { try write(&$0, $1.text) }
  }

  /// A setting whose text is all there is to it.
  private init(
    _ name: String, _ sentence: String, symbol: String?, allowed: String, isFlag: Bool = false,
    read: @escaping @Sendable (Root) -> SettingValue,
    parse: @escaping @Sendable (inout Root, String) -> Bool
  ) {
    self.init(
      name, sentence, symbol: symbol, allowed: allowed, isFlag: isFlag, read: read,
      write: { root, text in
        guard parse(&root, text) else {
          throw SettingError(setting: name, value: text, allowed: allowed)
        }
      })
  }

  /// The setting of something that `Outer` has as a part, so that several methods share one
  /// declaration.
  public func within<Outer: Sendable>(
    _ path: WritableKeyPath<Outer, Root> & Sendable
  ) -> Setting<Outer> {
    Setting<Outer>(
      name, sentence, symbol: symbol, allowed: allowed, isFlag: isFlag,
      read: { read($0[keyPath: path]) }, write: { try write(&$0[keyPath: path], $1) },
      restore: { try restore(&$0[keyPath: path], $1) })
  }

  /// The same under a name and a sentence of its own.
  public func called(_ name: String, _ sentence: String) -> Setting {
    Setting(
      name, sentence, symbol: symbol, allowed: allowed, isFlag: isFlag, read: read, write: write,
      restore: restore)
  }
}

extension Setting {
  /// A key path that may be used from any thread, as those of structures can.
  public typealias Path<Value> = WritableKeyPath<Root, Value> & Sendable

  /// A whole number.
  public static func integer(
    _ name: String, _ path: Path<Int>, _ range: ClosedRange<Int>, symbol: String? = nil,
    _ sentence: String
  ) -> Setting {
    Setting(
      name, sentence, symbol: symbol, allowed: "a whole number from \(words(range))",
      read: { .integer($0[keyPath: path]) },
      parse: { root, text in
        guard let value = Int(text), range.contains(value) else { return false }
        root[keyPath: path] = value
        return true
      })
  }

  /// A whole number, or `auto` where something else decides.
  ///
  /// - Parameter otherwise: what decides, for example `--width`.
  public static func integer(
    _ name: String, _ path: Path<Int?>, _ range: ClosedRange<Int>, otherwise: String,
    symbol: String? = nil, _ sentence: String
  ) -> Setting {
    Setting(
      name, sentence, symbol: symbol,
      allowed: "a whole number from \(words(range)), or \(SettingValue.auto) for \(otherwise)",
      read: { $0[keyPath: path].map { .integer($0) } ?? .unset(otherwise) },
      parse: { root, text in
        if text == SettingValue.auto {
          root[keyPath: path] = nil
          return true
        }
        guard let value = Int(text), range.contains(value) else { return false }
        root[keyPath: path] = value
        return true
      })
  }

  /// A number.
  public static func number(
    _ name: String, _ path: Path<Float>, _ range: NumberRange, symbol: String? = nil,
    _ sentence: String
  ) -> Setting {
    Setting(
      name, sentence, symbol: symbol, allowed: range.words,
      read: { .number($0[keyPath: path]) },
      parse: { root, text in
        guard let value = Float(text), range.contains(value) else { return false }
        root[keyPath: path] = value
        return true
      })
  }

  /// A number, or `auto` where something else decides.
  ///
  /// - Parameter otherwise: what decides, for example `--learning-rate`.
  public static func number(
    _ name: String, _ path: Path<Float?>, _ range: NumberRange, otherwise: String,
    symbol: String? = nil, _ sentence: String
  ) -> Setting {
    Setting(
      name, sentence, symbol: symbol,
      allowed: "\(range.words), or \(SettingValue.auto) for \(otherwise)",
      read: { $0[keyPath: path].map { .number($0) } ?? .unset(otherwise) },
      parse: { root, text in
        if text == SettingValue.auto {
          root[keyPath: path] = nil
          return true
        }
        guard let value = Float(text), range.contains(value) else { return false }
        root[keyPath: path] = value
        return true
      })
  }

  /// A number in double precision.
  public static func real(
    _ name: String, _ path: Path<Double>, _ range: ClosedRange<Double>, symbol: String? = nil,
    _ sentence: String
  ) -> Setting {
    Setting(
      name, sentence, symbol: symbol, allowed: "from \(words(range))",
      read: { .real($0[keyPath: path]) },
      parse: { root, text in
        guard let value = Double(text), range.contains(value) else { return false }
        root[keyPath: path] = value
        return true
      })
  }

  /// A number in double precision, or `auto` where something else decides.
  ///
  /// - Parameters:
  ///   - words: the range in words that go behind "must be", where its ends would say it badly.
  ///   - otherwise: what decides, for example `--blend-alpha`.
  public static func real(
    _ name: String, _ path: Path<Double?>, _ range: ClosedRange<Double>, words: String? = nil,
    otherwise: String, symbol: String? = nil, _ sentence: String
  ) -> Setting {
    Setting(
      name, sentence, symbol: symbol,
      allowed:
        "\(words ?? "from " + Self.words(range)), or \(SettingValue.auto) for \(otherwise)",
      read: { $0[keyPath: path].map { .real($0) } ?? .unset(otherwise) },
      parse: { root, text in
        if text == SettingValue.auto {
          root[keyPath: path] = nil
          return true
        }
        guard let value = Double(text), range.contains(value) else { return false }
        root[keyPath: path] = value
        return true
      })
  }

  /// A seed, or `auto` where something else decides.
  ///
  /// - Parameter otherwise: what decides, for example `--seed`.
  public static func seed(
    _ name: String, _ path: Path<UInt64?>, otherwise: String, _ sentence: String
  ) -> Setting {
    Setting(
      name, sentence, symbol: nil,
      allowed: "a whole number from 0 to \(UInt64.max), or \(SettingValue.auto) for \(otherwise)",
      read: { $0[keyPath: path].map { .text("\($0)") } ?? .unset(otherwise) },
      parse: { root, text in
        if text == SettingValue.auto {
          root[keyPath: path] = nil
          return true
        }
        guard let value = UInt64(text) else { return false }
        root[keyPath: path] = value
        return true
      })
  }

  /// A text, for example a path, or nothing, for which `auto` stands.
  ///
  /// - Parameters:
  ///   - allowed: what the text must be, in words.
  ///   - otherwise: what there is without one.
  public static func text(
    _ name: String, _ path: Path<String?>, allowed: String, otherwise: String, _ sentence: String
  ) -> Setting {
    Setting(
      name, sentence, symbol: nil,
      allowed: "\(allowed), or \(SettingValue.auto) for \(otherwise)",
      read: { $0[keyPath: path].map { .text($0) } ?? .unset(otherwise) },
      parse: { root, text in
        guard !text.isEmpty else { return false }
        root[keyPath: path] = text == SettingValue.auto ? nil : text
        return true
      })
  }

  /// A list of numbers with commas between them.
  public static func numbers(
    _ name: String, _ path: Path<[Float]>, _ range: NumberRange, count: ClosedRange<Int>,
    symbol: String? = nil, _ sentence: String
  ) -> Setting {
    Setting(
      name, sentence, symbol: symbol,
      allowed: "\(words(count)) numbers with commas between them, each \(range.words)",
      read: { .numbers($0[keyPath: path]) },
      parse: { root, text in
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let values = parts.map { Float(String($0.drop { $0 == " " })) }
        guard count.contains(values.count),
          values.allSatisfy({ $0.map(range.contains) ?? false })
        else { return false }
        root[keyPath: path] = values.compactMap(\.self)
        return true
      })
  }

  /// One of the cases of an enumeration.
  public static func choice<Value>(
    _ name: String, _ path: Path<Value>, symbol: String? = nil, _ sentence: String
  ) -> Setting where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
    Setting(
      name, sentence, symbol: symbol,
      allowed: "one of " + Value.allCases.map(\.rawValue).joined(separator: ", "),
      read: { .text($0[keyPath: path].rawValue) },
      parse: { root, text in
        guard let value = Value(rawValue: text) else { return false }
        root[keyPath: path] = value
        return true
      })
  }

  /// Some of the cases of an enumeration, with commas between them.
  public static func choices<Value>(
    _ name: String, _ path: Path<[Value]>, symbol: String? = nil, _ sentence: String
  ) -> Setting where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
    Setting(
      name, sentence, symbol: symbol,
      allowed: "some of " + Value.allCases.map(\.rawValue).joined(separator: ", ")
        + ", each once, with commas between them",
      read: { .text($0[keyPath: path].map(\.rawValue).joined(separator: ",")) },
      parse: { root, text in
        let words = text.split(separator: ",", omittingEmptySubsequences: false)
          .map { String($0.drop { $0 == " " }) }
        let values = words.compactMap { Value(rawValue: $0) }
        guard values.count == words.count, Set(words).count == words.count else { return false }
        // In the order of the cases, so that equal choices are equal settings.
        root[keyPath: path] = Value.allCases.filter { words.contains($0.rawValue) }
        return true
      })
  }

  /// One of the cases of an enumeration, or `auto` where something else decides.
  ///
  /// - Parameter otherwise: what decides.
  public static func choice<Value>(
    _ name: String, _ path: Path<Value?>, otherwise: String, symbol: String? = nil,
    _ sentence: String
  ) -> Setting where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
    Setting(
      name, sentence, symbol: symbol,
      allowed: "one of " + Value.allCases.map(\.rawValue).joined(separator: ", ")
        + ", or \(SettingValue.auto) for \(otherwise)",
      read: { $0[keyPath: path].map { .text($0.rawValue) } ?? .unset(otherwise) },
      parse: { root, text in
        if text == SettingValue.auto {
          root[keyPath: path] = nil
          return true
        }
        guard let value = Value(rawValue: text) else { return false }
        root[keyPath: path] = value
        return true
      })
  }

  /// On or off: `--name` or `--no-name`, `name: true` or `name: false`.
  public static func flag(
    _ name: String, _ path: Path<Bool>, symbol: String? = nil, _ sentence: String
  ) -> Setting {
    Setting(
      name, sentence, symbol: symbol, allowed: "true or false", isFlag: true,
      read: { .flag($0[keyPath: path]) },
      parse: { root, text in
        guard let value = Bool(text) else { return false }
        root[keyPath: path] = value
        return true
      })
  }

  private static func words(_ range: ClosedRange<Int>) -> String {
    "\(range.lowerBound) to \(range.upperBound)"
  }

  private static func words(_ range: ClosedRange<Double>) -> String {
    func word(_ value: Double) -> String {
      Int(exactly: value).map { "\($0)" } ?? "\(value)"
    }
    return "\(word(range.lowerBound)) to \(word(range.upperBound))"
  }
}
