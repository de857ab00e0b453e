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
        allowed: "a setting of this method: " + Self.table.map(\.name).joined(separator: ", "))
    }
    try setting.write(&self, text)
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
  /// Changes its value to what a text says; throws `SettingError`.
  public let write: @Sendable (inout Root, String) throws -> Void

  private init(
    _ name: String, _ sentence: String, symbol: String?, allowed: String, isFlag: Bool = false,
    read: @escaping @Sendable (Root) -> SettingValue,
    parse: @escaping @Sendable (inout Root, String) -> Bool
  ) {
    self.name = name
    self.sentence = sentence
    self.symbol = symbol
    self.allowed = allowed
    self.isFlag = isFlag
    self.read = read
    write = { root, text in
      guard parse(&root, text) else {
        throw SettingError(setting: name, value: text, allowed: allowed)
      }
    }
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
}
