import Foundation
import MecaCommands
import MecaCore
import MecaDefenses
import Testing

/// A defence for these tests alone, with settings of every sort.
struct Sieve: Defense {
  struct Settings: SettingsTable {
    var rounds = 2
    var width: Int?
    var rates: [Float] = [0.5]
    var deep = false

    static var table: [Setting<Settings>] {
      [
        .integer("rounds", \.rounds, 1...9, symbol: "T", "Rounds."),
        .integer("sieve-width", \.width, 1...512, otherwise: "--width", "Channels."),
        .numbers("rates", \.rates, .fraction, count: 1...3, "Fractions."),
        .flag("deep", \.deep, "Deep."),
      ]
    }

    static var variants: [SettingsVariant<Settings>] {
      var paper = Settings()
      (paper.rounds, paper.deep) = (5, true)
      return [SettingsVariant(name: "paper", sentence: "As published.", settings: paper)]
    }

    func validate() throws {
      if rounds == 9 && deep {
        throw SettingError(setting: "rounds", value: "9", allowed: "8 at most with --deep")
      }
    }
  }

  static let facts = DefenseFacts(
    name: "sieve", title: "Sieve", sentence: "Shakes.", source: "nowhere")

  let settings: Settings
  init(_ settings: Settings) { self.settings = settings }
  func run(_ bench: some Workbench) throws -> DefenseOutcome { fatalError("never run") }
}

/// Another, with a name for a setting that both have.
struct Filter: Defense {
  struct Settings: SettingsTable {
    var grain: Float = 0.5
    var rates: [Float] = [0.1]

    static var table: [Setting<Settings>] {
      [
        .number("grain", \.grain, .positive, "Grain."),
        .numbers("rates", \.rates, .share, count: 1...2, "Fractions."),
      ]
    }
  }

  static let facts = DefenseFacts(
    name: "filter", title: "Filter", sentence: "Holds back.", source: "nowhere",
    needs: [.cleanReserve])

  let settings: Settings
  init(_ settings: Settings) { self.settings = settings }
  func run(_ bench: some Workbench) throws -> DefenseOutcome { fatalError("never run") }
}

/// Words of the command line against tables of settings.
@Suite struct SettingWordsTests {
  func resolved(
    _ words: [String], defense: String = "sieve", variant: String? = nil
  ) throws -> ResolvedDefense {
    let all: [any Defense.Type] = [Sieve.self, Filter.self, Undefended.self]
    let chosen = try Defenses.chosen(defense, among: all)
    let owner = SettingOwner.defense(defense, among: all)
    let values = try SettingWords(words, of: MecaDist.command(named: "train")).values(of: [owner])
    return try ResolvedDefense(chosen, variant: variant, values["defense"] ?? [:])
  }

  func settings(_ words: [String], variant: String? = nil) throws -> Sieve.Settings {
    try #require(try resolved(words, variant: variant).settings as? Sieve.Settings)
  }

  @Test(arguments: [
    ["--rounds", "3"], ["--rounds=3"], ["--set", "rounds=3"], ["--set=rounds=3"],
    ["--rounds", "4", "--rounds=3"], ["--set", "rounds=4", "--rounds", "3"],
    ["--rounds", "4", "--set", "rounds=3"], ["--rounds", "99", "--rounds", "3"],
    ["--", "--rounds", "3"], ["--rounds", "+3"],
  ])
  func theLastValueCounts(words: [String]) throws {
    var expected = Sieve.Settings()
    expected.rounds = 3
    #expect(try settings(words) == expected)
  }

  @Test(arguments: [
    (["--deep"], true), (["--deep", "true"], true), (["--deep=false"], false),
    (["--deep", "false"], false), (["--deep", "--no-deep"], false), (["--no-deep"], false),
    (["--set", "deep=true"], true), (["--deep", "--rounds", "3"], true),
  ])
  func aFlagStandsAloneOrHasAValue(words: [String], deep: Bool) throws {
    #expect(try settings(words).deep == deep)
  }

  @Test func everyKindIsRead() throws {
    let read = try settings(["--rates", "0.1, 0.2", "--sieve-width=7", "--rounds", "1"])
    #expect(read.rates == [0.1, 0.2] && read.width == 7 && read.rounds == 1)
    #expect(try settings(["--sieve-width", "7", "--sieve-width", "auto"]).width == nil)
    #expect(try settings([]) == Sieve.Settings())
  }

  @Test func aVariantIsWhereOthersStart() throws {
    #expect(try settings([], variant: "paper") == Sieve.Settings.variants[0].settings)
    let read = try settings(["--rounds", "7"], variant: "paper")
    #expect(read.rounds == 7 && read.deep)
  }

  @Test(arguments: [
    (["--rounds", "0"], "--rounds 0: must be a whole number from 1 to 9"),
    (["--rounds=-1"], "--rounds -1: must be a whole number from 1 to 9"),
    (["--rounds="], "--rounds : must be a whole number from 1 to 9"),
    (["--set", "rounds="], "--rounds : must be a whole number from 1 to 9"),
    (["--rounds"], "--rounds: has no value; write --rounds VALUE"),
    (["--rounds", "--deep"], "--rounds: has no value; write --rounds VALUE"),
    (["--set"], "--set: has no value; write --set NAME=VALUE"),
    (["--set", "rounds"], "--set rounds: must be NAME=VALUE"),
    (["--set", "=3"], "--set =3: must be NAME=VALUE"),
    (["--set", "epochs=3"], "--set epochs=3: epochs is no setting of sieve, but an option"),
    (["--set", "round=3"], "--set round=3: sieve has no such setting; did you mean rounds?"),
    (["--deep", "--rounds", "9"], "--rounds 9: must be 8 at most with --deep"),
    (["--deep=maybe"], "--deep maybe: must be true or false"),
    (["--round", "3"], "--round: no such option; did you mean --rounds?"),
    (["--epoch", "3"], "--epoch: no such option; did you mean --epochs?"),
    (["--grains", "3"], "--grains: no such option; did you mean --grain?"),
    (["--no-rounds"], "--no-rounds: no such option"),
    (["-rounds", "3"], "-rounds: no such option; did you mean --rounds?"),
    (["--zzzzzzzz"], "--zzzzzzzz: no such option; see meca-dist train --help and"),
    (["3"], "\"3\": neither an option nor the value of one"),
    (["evaluat"], "\"evaluat\": neither an option nor the value of one; did you mean evaluate?"),
    ([""], "\"\": neither an option nor the value of one"),
    (["--rounds", "3", "4"], "\"4\": neither an option nor the value of one"),
    (["--deep", "no"], "\"no\": neither an option nor the value of one"),
    (
      ["--grain", "3"],
      "--grain: is a setting of filter, and the defence is sieve: leave it out, or choose filter with"
    ),
    (["--set", "grain=3"], "--grain: is a setting of filter, and the defence is sieve"),
  ])
  func whatCannotBeIsSaid(words: [String], line: String) throws {
    let error = #expect(throws: (any Error).self) { try resolved(words) }
    let reported = try #require(error as? any ReportableError)
    #expect(reported.exitCode == .usage)
    #expect(reported.description.hasPrefix(line), "\(reported)")
    #expect(reported.description.utf8.count < 200 && !reported.description.contains("\n"))
  }

  @Test(arguments: [
    ("siev", nil, "--defense siev: must be one of sieve, filter, none; did you mean sieve?"),
    ("", nil, "--defense : must be one of sieve, filter, none"),
    ("sieve", "papers", "--variant papers: must be one of paper; did you mean paper?"),
    ("filter", "paper", "--variant paper: filter has no variants"),
  ])
  func namesThatNobodyHasAreSaid(defense: String, variant: String?, line: String) throws {
    let error = #expect(throws: (any Error).self) {
      try resolved([], defense: defense, variant: variant)
    }
    #expect("\(try #require(error))" == line)
  }

  @Test func aSharedNameIsTheChosenDefences() throws {
    let filter = try resolved(["--rates", "1"], defense: "filter")
    #expect((filter.settings as? Filter.Settings)?.rates == [1])
    #expect(throws: SettingError.self) { try resolved(["--rates", "1"]) }
    let error = #expect(throws: (any Error).self) {
      try resolved(["--rates", "1"], defense: "none")
    }
    #expect("\(try #require(error))".hasPrefix("--rates: is a setting of sieve, filter, and"))
  }

  @Test func theResultIsReadyForRunAndRecord() throws {
    let resolved = try resolved(["--sieve-width", "7", "--rates", "0.25,0"])
    #expect((resolved.makeDefense() as? Sieve)?.settings.width == 7)
    #expect(resolved.facts.name == "sieve" && resolved.type == Sieve.self)
    #expect(
      resolved.yamlLines.map { "\($0): \($1 ?? "")" } == [
        "defense: sieve", "rounds: 2", "sieve-width: 7", "rates: 0.25,0.0", "deep: false",
      ])
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    #expect(
      String(decoding: try encoder.encode(resolved), as: UTF8.self) == """
        {"name":"sieve","settings":{"deep":false,"rates":[0.25,0],"rounds":2,"sieve-width":7}}
        """)
  }
}
