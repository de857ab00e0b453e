import MecaCommands
import Testing

/// Names, distances and values of the configuration file.
@Suite struct ConfigurationFileTests {
  @Test(arguments: [
    ("", "", 0), ("a", "", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("epoch", "epochs", 1),
    ("abc", "acb", 2), ("same", "same", 0),
  ])
  func theDistanceCountsEdits(first: String, second: String, distance: Int) {
    #expect(editDistance(first, second) == distance)
    #expect(editDistance(second, first) == distance)
  }

  @Test func theNearestNameIsNear() {
    let names = ["epochs", "width", "warmup-epochs"]
    #expect(nearestName(to: "epoch", among: names) == "epochs")
    #expect(nearestName(to: "warmup-epoch", among: names) == "warmup-epochs")
    #expect(nearestName(to: "wdth", among: names) == "width")
    #expect(nearestName(to: "something-else", among: names) == nil)
    #expect(nearestName(to: "epoch", among: []) == nil)
  }

  @Test func negativeNumbersBelongToTheirOption() {
    #expect(
      withNegativeNumbersJoined(["--target", "-1", "-2", "--a=3", "-4", "--b", "-x", "c", "-.5"])
        == ["--target=-1", "-2", "--a=3", "-4", "--b", "-x", "c", "-.5"])
    #expect(withNegativeNumbersJoined(["-1", "--rate", "-1e-3"]) == ["-1", "--rate=-1e-3"])
  }

  @Test(arguments: [
    "plain", "", "with space", "a: b", "# no comment", "\"quoted\"", "back\\slash", "-", "--- x",
    "null", "~", "true", "1.5", "-3", "[list]", "{map}", "line\nbreak\ttab", "ümläut/路", "@x", "*a",
  ])
  func aValueReadsBackAsItself(text: String) throws {
    let arguments = try ConfigurationFile.arguments(
      yaml: "output: \(yamlScalar(text))\nwidth: 8\n", path: "own.yaml", known: ["output", "width"])
    #expect(arguments == ["--output=\(text)", "--width=8"])
  }

  @Test func listsAndFlagsBecomeArguments() throws {
    func arguments(_ yaml: String) throws -> [String] {
      try ConfigurationFile.arguments(
        yaml: yaml, path: "own.yaml",
        known: ["rates", "oracle", "no-oracle", "quiet", "width", "config", "help"])
    }
    #expect(try arguments("rates: [0.1, 0.2]\n") == ["--rates=0.1,0.2"])
    #expect(try arguments("oracle: true\nquiet: true") == ["--oracle", "--quiet"])
    #expect(try arguments("oracle: false\nquiet: false") == ["--no-oracle"])
    #expect(try arguments("# nothing\n") == [])
    for yaml in [
      "config: other.yaml", "help: true", "no-oracle: true", "oracle: 1", "rates: [[1]]", "width",
      "oracle: yes please", "width: ~",
    ] {
      #expect(throws: (any Error).self, "\(yaml)") { try arguments(yaml) }
    }
  }
}
