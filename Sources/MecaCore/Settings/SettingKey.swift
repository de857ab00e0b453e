/// A setting's name as a key of JSON.
package struct SettingKey: CodingKey {
  /// The name.
  package let stringValue: String
  /// None.
  package var intValue: Int? { nil }

  /// A name.
  package init(stringValue: String) { self.stringValue = stringValue }

  /// Names are no numbers.
  package init?(intValue: Int) { nil }
}
