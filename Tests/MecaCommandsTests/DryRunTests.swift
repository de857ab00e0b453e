import MecaCommands
import MecaCore
import MecaDefenses
import Testing

/// From command line and file to the plan, in this process.
@Suite struct DryRunTests {
  /// The lines of the plan by their keys.
  func plan(_ arguments: [String], yaml: String? = nil) throws -> [String: String] {
    let lines = try MecaDist.dryRun(arguments, yaml: yaml).split(separator: "\n")
    return Dictionary(
      uniqueKeysWithValues: lines.map { line in
        let parts = line.split(separator: ": ", maxSplits: 1).map(String.init)
        return (parts[0], parts[1])
      })
  }

  func message(_ arguments: [String], yaml: String? = nil) throws -> String {
    let error = #expect(throws: UsageError.self, "\(arguments) \(yaml ?? "")") {
      try MecaDist.dryRun(arguments, yaml: yaml)
    }
    return try #require(error).description
  }

  /// Scripts have been written with these.
  static let mecaValues = [
    "folds": "3", "detector-width": "8", "warmup-epochs": "8", "second-warmup-epochs": "0",
    "warmup-rate": "0.1", "warmup-schedule": "cosine", "patch-size": "3", "epsilon": "8.0",
    "masks": "2", "partition-rates": "0.3,0.2", "enhance-epochs": "2", "enhance-rate": "0.02",
    "unlearn-coefficient": "1.5", "loss-cap": "4.0", "gradient-clip": "3.0",
    "detector-weight-decay": "0.001", "separation-threshold": "0.05", "separation-ratio": "0.1",
    "carry-over": "0.0", "flag-share": "0.1", "confirm-epochs": "5", "confirm-rate": "0.04",
    "relearn-epochs": "0", "relearn-rate": "0.01",
  ]

  @Test func everySettingOfMeCaIsAnOption() throws {
    let names = MeCa.settingNames
    #expect(Set(names).isSuperset(of: Self.mecaValues.keys))
    let words = Self.mecaValues.flatMap { ["--" + $0.key, $0.value] }
    let lines = try plan(words)
    for (name, value) in Self.mecaValues { #expect(lines[name] == value, "\(name)") }
    let joined = Self.mecaValues.map { "--\($0.key)=\($0.value)" }
    #expect(try plan(joined) == lines)
    let sets = Self.mecaValues.flatMap { ["--set", "\($0.key)=\($0.value)"] }
    #expect(try plan(["train", "--epochs", "16"] + sets) == lines)
    let file = Self.mecaValues.map { "\($0.key): \($0.value)\n" }.joined()
    #expect(try plan([], yaml: file) == lines)
  }

  @Test func aVariantIsWrittenOut() throws {
    let lines = try plan(["--variant", "paper", "--masks", "2"])
    #expect(lines["variant"] == nil && lines["masks"] == "2")
    #expect(lines["partition-rates"] == "0.1,0.2,0.3,0.4,0.5" && lines["folds"] == "1")
    #expect(try plan([], yaml: "variant: paper\nmasks: 2") == lines)
  }

  @Test(arguments: Defenses.names)
  func aDryRunReadsItselfBack(name: String) throws {
    let arguments = ["--defense", name, "--epochs", "3", "--no-oracle", "--output", "a \"b\": c"]
    let first = try MecaDist.dryRun(arguments)
    #expect(first.contains("\ndefense: \(name)\n"))
    #expect(try MecaDist.dryRun([], yaml: first) == first)
    let changed = try MecaDist.dryRun(["--width", "6"], yaml: first)
    #expect(
      changed == first.replacing("\nwidth: 8\n", with: "\nwidth: 6\n"), "only the width changes")
  }

  @Test func optionsWinOverTheFile() throws {
    let yaml = "folds: 3\nepochs: 4\npartition-rates: [0.1, 0.2]\noracle: false\n"
    let lines = try plan([], yaml: yaml)
    #expect(lines["folds"] == "3" && lines["epochs"] == "4" && lines["oracle"] == "false")
    #expect(lines["partition-rates"] == "0.1,0.2")
    #expect(try plan(["--folds", "5"], yaml: yaml)["folds"] == "5")
    #expect(try plan(["--set", "folds=5"], yaml: yaml)["folds"] == "5")
    #expect(try plan(["train", "--oracle"], yaml: yaml)["oracle"] == "true")
    #expect(try plan(["--folds", "5"], yaml: "folds: 99")["folds"] == "5")
    #expect(try plan(["--defense", "none"], yaml: "defense: meca")["defense"] == "none")
  }

  @Test(arguments: [
    ("folds: 99", "own.yaml: folds: 99: must be a whole number from 1 to 16"),
    ("fold: 3", "own.yaml: unknown key fold; did you mean folds?"),
    ("folds:", "own.yaml: folds: has no value"),
    ("set: folds=3", "own.yaml: unknown key set"),
    ("defense: mecca", "own.yaml: defense: mecca: must be one of meca, "),
    ("defense: none\nfolds: 3", "own.yaml: folds: is a setting of meca, and the defence is none"),
    ("variant: fast", "own.yaml: variant: fast: "),
    ("epochs: 0", "own.yaml: epochs: 0: must be 1 or more"),
    ("width: 600", "own.yaml: width: 600: must be 512 at most"),
    ("width: abc", "own.yaml: The value 'abc' is invalid for '--width <width>'"),
    ("poison-rate: -1", "own.yaml: poison-rate: -1.0: must be a fraction of the training set"),
    ("augment: crop\ncrop-padding: -1", "own.yaml: crop-padding: -1: must be"),
    ("dataset: folder\ntest-share: 2", "own.yaml: test-share: 2: must be more than 0 and below"),
    ("clean-reserve: 0.1", "own.yaml: clean-reserve: 0.1: is for defences that need clean samples"),
  ])
  func whatTheFileSaysWrongIsTheFiles(yaml: String, line: String) throws {
    let message = try message([], yaml: yaml)
    #expect(message.hasPrefix(line), "\(message)")
  }

  @Test(arguments: [
    (["--folds", "99"], "--folds 99: must be a whole number from 1 to 16"),
    (["--set", "folds=99"], "--folds 99: must be a whole number from 1 to 16"),
    (["--width", "600"], "--width 600: must be 512 at most"),
    (["--width", "abc"], "The value 'abc' is invalid for '--width <width>'"),
    (["--epoch", "3"], "--epoch: no such option; did you mean --epochs?"),
    (["--grain", "3"], "--grain: no such option; see meca-dist train --help"),
  ])
  func whatTheCommandLineSaysWrongIsIts(arguments: [String], line: String) throws {
    let message = try message(arguments, yaml: "folds: 3\nwidth: 8\n")
    #expect(message.hasPrefix(line), "\(message)")
  }

  @Test func whatLeavesNothingToDoIsSaid() throws {
    #expect(try message(["--defense", "none", "--no-undefended"]).contains("nothing to do"))
    #expect(
      try message(["--defense", "none", "--folds", "3"])
        == "--folds: is a setting of meca, and the defence is none: leave it out, or choose meca "
        + "with --defense")
  }

  @Test(arguments: [["--help"], ["train", "--help"], ["--folds", "3", "--help"]])
  func helpIsNoSetting(arguments: [String]) {
    #expect(throws: (any Error).self) { try MecaDist.dryRun(arguments) }
    #expect(MecaDist.command(named: arguments.first).helpMessage().contains("--defense"))
  }
}
