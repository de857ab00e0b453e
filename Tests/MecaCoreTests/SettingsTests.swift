import Foundation
import MecaCore
import Testing

/// What the command line, YAML and JSON make of a table of settings.
@Suite struct SettingsTests {
  enum Course: String, CaseIterable, Codable, Sendable { case cosine, constant }

  /// A setting of every kind.
  struct Everything: SettingsTable {
    var folds = 2
    var width: Int?
    var cap: Float = 5
    var clip: Float?
    var share: Float = 0.5
    var fraction: Float = 0
    var rates: [Float] = [0.3, 0.3]
    var course = Course.cosine
    var again = true

    static var table: [Setting<Everything>] {
      [
        .integer("folds", \.folds, 2...16, symbol: "K", "Parts."),
        .integer("width", \.width, 1...512, otherwise: "--width", "Channels."),
        .number("cap", \.cap, .notNegative, "Most."),
        .number("clip", \.clip, .positive, otherwise: "none", "Norm."),
        .number("share", \.share, .share, "Share."),
        .number("fraction", \.fraction, .fraction, "Fraction."),
        .numbers("rates", \.rates, .fraction, count: 1...3, symbol: "p", "Rates."),
        .choice("course", \.course, "Course."),
        .flag("again", \.again, "Again."),
      ]
    }

    static var variants: [SettingsVariant<Everything>] {
      var paper = Everything()
      paper.folds = 5
      return [SettingsVariant(name: "paper", sentence: "As published.", settings: paper)]
    }

    func validate() throws {
      if folds > 8 && !again {
        throw SettingError(setting: "folds", value: "\(folds)", allowed: "8 at most without again")
      }
    }
  }

  func value(_ name: String, _ text: String) throws -> String? {
    var settings = Everything()
    try settings.set(name, to: text)
    return settings.values.first { $0.name == name }?.value.text
  }

  @Test(arguments: [
    ("folds", "2", "2"), ("folds", "16", "16"), ("folds", "+3", "3"), ("width", "512", "512"),
    ("width", "auto", "auto"), ("cap", "0", "0.0"), ("cap", "1e-3", "0.001"),
    ("cap", "7", "7.0"), ("clip", "0.25", "0.25"), ("clip", "auto", "auto"), ("share", "1", "1.0"),
    ("fraction", "0.999", "0.999"), ("rates", "0", "0.0"), ("rates", "0.1, 0.2,0", "0.1,0.2,0.0"),
    ("course", "constant", "constant"), ("again", "false", "false"), ("again", "true", "true"),
  ])
  func aValueIsTaken(name: String, text: String, becomes: String) throws {
    #expect(try value(name, text) == becomes)
    #expect(try value(name, becomes) == becomes)
  }

  @Test(arguments: [
    ("folds", "1", "a whole number from 2 to 16"), ("folds", "17", "a whole number from 2 to 16"),
    ("folds", "", "a whole number from 2 to 16"), ("folds", "2.0", "a whole number from 2 to 16"),
    ("folds", "auto", "a whole number from 2 to 16"),
    ("folds", "99999999999999999999", "a whole number from 2 to 16"),
    ("width", "0", "a whole number from 1 to 512, or auto for --width"),
    ("cap", "-0.1", "0 or more"), ("cap", "nan", "0 or more"), ("cap", "inf", "0 or more"),
    ("clip", "0", "more than 0, or auto for none"), ("share", "0", "more than 0 and 1 at most"),
    ("share", "1.01", "more than 0 and 1 at most"), ("fraction", "1", "at least 0 and below 1"),
    ("fraction", "half", "at least 0 and below 1"),
    ("rates", "", "1 to 3 numbers with commas between them, each at least 0 and below 1"),
    ("rates", "0.1,", "1 to 3 numbers with commas between them, each at least 0 and below 1"),
    ("rates", "0.1,1", "1 to 3 numbers with commas between them, each at least 0 and below 1"),
    ("rates", "0,0,0,0", "1 to 3 numbers with commas between them, each at least 0 and below 1"),
    ("course", "cosin", "one of cosine, constant"), ("again", "yes", "true or false"),
    (
      "fold", "3",
      "a setting of this method: folds, width, cap, clip, share, fraction, rates, course, again"
    ),
  ])
  func aWrongValueIsSaid(name: String, text: String, allowed: String) throws {
    let error = #expect(throws: SettingError.self) { try value(name, text) }
    #expect(error == SettingError(setting: name, value: text, allowed: allowed))
    #expect(error?.exitCode == .usage)
    #expect(error?.description == "--\(name) \(text): must be \(allowed)")
    #expect(error?.description(inFile: "a.yaml") == "a.yaml: \(name): \(text): must be \(allowed)")
  }

  @Test func aFailedChangeChangesNothing() {
    var settings = Everything()
    #expect(throws: SettingError.self) { try settings.set("rates", to: "0.1,2") }
    #expect(settings == Everything())
  }

  @Test func valuesBecomeJSON() throws {
    var settings = Everything()
    settings.clip = 0.1
    let values = Dictionary(uniqueKeysWithValues: settings.values.map { ($0.name, $0.value) })
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    #expect(
      String(decoding: try encoder.encode(values), as: UTF8.self) == """
        {"again":true,"cap":5,"clip":0.1,"course":"cosine","folds":2,"fraction":0,\
        "rates":[0.3,0.3],"share":0.5,"width":null}
        """)
  }

  @Test func wordsSayWhatDecides() {
    let words = Everything().values.map(\.value.words)
    #expect(
      words
        == ["2", "auto (--width)", "5.0", "auto (none)", "0.5", "0.0", "0.3,0.3", "cosine", "true"])
    #expect(Everything.table.filter(\.isFlag).map(\.name) == ["again"])
    #expect(Everything.table.compactMap(\.symbol) == ["K", "p"])
  }

  @Test func settingsAreCheckedTogether() throws {
    var settings = Everything()
    try settings.set("folds", to: "9")
    try settings.validate()
    try settings.set("again", to: "false")
    #expect(throws: SettingError.self) { try settings.validate() }
    #expect(Everything.variants.map(\.settings.folds) == [5])
  }
}
