import MecaCommands
import MecaCore
import MecaTestSupport
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
      yaml: "output: \(yamlScalar(text))\nwidth: 8\n", path: "own.yaml",
      known: ["output": .value, "width": .value])
    #expect(arguments == ["--output=\(text)", "--width=8"])
  }

  @Test func listsAndFlagsBecomeArguments() throws {
    func arguments(_ yaml: String) throws -> [String] {
      try ConfigurationFile.arguments(
        yaml: yaml, path: "own.yaml",
        known: ["rates": .value, "oracle": .invertibleFlag, "quiet": .flag, "width": .value])
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

  /// Damages a file in many ways: arguments of known options, or an error that is short.
  @Test func survivesDamage() throws {
    let yaml = Array(
      "# a run\nwidth: 8\npartition-rates: [0.3, 0.3]\noracle: true\noutput: \"a b\\n\"\n".utf8)
    var random = KeyedRandom(seed: 7, purpose: .test)
    var (reads, errors) = (0, 0)
    for _ in 0..<casesOfTenThousand {
      var bytes = yaml
      switch random.integer(below: 4) {
      case 0: bytes.removeLast(random.integer(below: bytes.count + 1))
      case 1:
        let pieces = ["[", "{", "- ", "&a ", "*a", ": ", "!!binary ", "? ", "---\n", "\0", "\t"]
        let piece = Array(pieces[random.integer(below: pieces.count)].utf8)
        let many = [[UInt8]](repeating: piece, count: 1 << random.integer(below: 12)).flatMap { $0 }
        bytes.insert(contentsOf: many, at: random.integer(below: bytes.count))
      default:
        for _ in 0...random.integer(below: 4) {
          bytes[random.integer(below: bytes.count)] ^= 1 << UInt8(random.integer(below: 8))
        }
      }
      do {
        let arguments = try ConfigurationFile.arguments(
          yaml: String(decoding: bytes, as: UTF8.self), path: "own.yaml",
          known: [
            "width": .value, "partition-rates": .value, "oracle": .invertibleFlag, "output": .value,
          ])
        #expect(
          arguments.allSatisfy { argument in
            ["--width=", "--partition-rates=", "--oracle", "--no-oracle", "--output="].contains {
              argument.hasPrefix($0)
            }
          })
        reads += 1
      } catch let error as UsageError {
        #expect("\(error)".hasPrefix("own.yaml: ") && "\(error)".count < 300, "\(error)")
        errors += 1
      }
    }
    #expect(reads > share(1000) && errors > share(1000), "\(reads) reads, \(errors) errors")
  }
}
