import MecaTestSupport
import Testing

extension ProgramTests {
  /// What a run says and does when its suspects do not hold.
  @Suite struct VerdictTests {
    @Test func suspectsThatDoNotCarryOverAreDroppedEverywhere() throws {
      let folder = try TestFolder()
      let outcome = try meca(
        tinyTraining + [
          "--attack", "none", "--no-undefended", "--carry-over", "0.99", "--second-warmup-epochs",
          "1", "--output", folder.path,
        ])
      #expect(outcome.status == 0, "\(outcome.errors)")
      func lines(_ part: String) -> Int {
        outcome.errors.split(separator: "\n").filter { $0.contains(part) }.count
      }
      #expect(lines(", dropped") >= 6, "at least one label in each of two attempts' three tries")
      #expect(lines("after iteration ") == 6)
      #expect(lines("nobody flagged: a second attempt") == 1)
      let detection = try #require(try result(folder)["detection"] as? [String: Any])
      #expect(detection["separated"] as? Bool == false && detection["flagged"] as? Int == 0)
      #expect(detection["suspicious_labels"] as? [Int] == [])
      #expect(try RunBits(folder).suspectCount == 0)
      #expect(outcome.output.contains("nothing separated from the clean samples"))
    }
  }
}
