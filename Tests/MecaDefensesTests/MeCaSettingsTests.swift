import MecaCore
import MecaDefenses
import Testing

@Suite struct MeCaSettingsTests {
  @Test func unlearningGrowsOverItsRamp() {
    var settings = MeCaSettings()
    settings.unlearnCoefficient = 3
    #expect((0..<5).map { settings.unlearnCoefficient(round: $0) } == [1, 2, 3, 3, 3])
    settings.unlearnRamp = 1
    #expect((0..<3).map { settings.unlearnCoefficient(round: $0) } == [3, 3, 3])
  }

  @Test func theVerdictAsksForMoreThanTheFirstPass() {
    var settings = MeCaSettings()
    settings.carryOver = 0.75
    #expect(settings.carryOver(isVerdict: false) == 0.5)
    #expect(settings.carryOver(isVerdict: true) == 0.75)
  }

  /// A list of names in any order; unknown ones, doubled ones and none at all are refused.
  @Test func proposersAreAList() throws {
    var settings = MeCaSettings()
    try settings.set("proposers", to: "unlearning, patch")
    #expect(settings.proposers == [.patch, .unlearning])
    for text in ["", "patch,", "patch,patch", "pixels", "patch;colour"] {
      #expect(throws: SettingError.self) { try settings.set("proposers", to: text) }
    }
  }

  @Test func thePaperVariantIsThePapers() throws {
    let paper = try #require(MeCaSettings.variants.first { $0.name == "paper" }).settings
    #expect(paper.unlearnCoefficient(round: 0) == 0.05)
    #expect(paper.partition == .all && paper.verdict == .misclassified && paper.folds == 1)
    #expect(paper.patchSize == 2)
  }
}
