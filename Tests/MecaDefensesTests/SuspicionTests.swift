import MecaDefenses
import Testing

@Suite struct SuspicionTests {
  /// Samples 0–29 poisoned (loss about 10⁻⁵), 30–59 fitted but far less well, 60–99 misclassified.
  private func evidence(rounds: Int) -> Evidence {
    let logLoss = (0..<100).map { index -> Float in
      index < 30 ? -5 - 0.01 * Float(index) : index < 60 ? -0.9 : 0.7
    }
    return Evidence(
      divergence: [Float](repeating: 0, count: 100),
      logLosses: .init(repeating: logLoss, count: rounds),
      fitted: .init(repeating: (0..<100).map { $0 < 60 }, count: rounds),
      prediction: [Int32](repeating: 0, count: 100))
  }

  @Test func fittedCleanSamplesOfTheTargetClassAreNotSuspected() {
    #expect(evidence(rounds: 4).fittedLowerMode(of: Array(0..<100)) == Array(0..<30))
  }

  @Test func onlyTheJudgedSamplesCount() {
    // Without poison the fitted samples themselves are the lower mode; the confirmation drops them.
    #expect(evidence(rounds: 4).fittedLowerMode(of: Array(30..<100)) == Array(30..<60))
    #expect(evidence(rounds: 4).fittedLowerMode(of: []).isEmpty)
  }

  @Test func aSampleMustBeFittedInTheMajorityOfTheLastThreeRounds() {
    var evidence = evidence(rounds: 4)
    evidence.fitted[3][0] = false
    evidence.fitted[2][1] = false
    evidence.fitted[3][1] = false
    evidence.fitted[0][2] = false
    #expect(evidence.fittedLowerMode(of: Array(0..<100)) == [0] + Array(2..<30))
  }

  @Test func standoutIsTheLargestLessTheLowerMedian() {
    #expect(standout([1, 4, 2, 3]) == 2)
    #expect(standout([1, 4, 2.5]) == 1.5)
    #expect(standout([]) == 0)
  }

  @Test func fewSuspectsAreShownOften() {
    // 100 of 110 samples learnt, 2 labels: a fifth of an average label is 10.
    var labels = (0..<110).map { Int32($0 < 50 ? 0 : 1) }
    let learnt = (0..<100).map { Int32($0) }
    #expect(showingFewOften(learnt, labels: labels, classCount: 2) == learnt)
    for index in [5, 7, 9, 105] { labels[index] = 2 }
    #expect(
      showingFewOften(learnt, labels: labels, classCount: 2)
        == learnt + [5, 7, 9, 5, 7, 9, 5, 7, 9])
    for index in 20..<30 { labels[index] = 3 }
    #expect(
      showingFewOften(learnt, labels: labels, classCount: 2)
        == learnt + [5, 7, 9, 5, 7, 9, 5, 7, 9], "ten are enough")
    // A third label without samples makes no average smaller.
    #expect(
      showingFewOften(learnt, labels: labels.map { $0 < 2 ? $0 : $0 + 1 }, classCount: 3).count
        == 109)
  }

  @Test func equalLossesHaveNoLowerMode() {
    var evidence = evidence(rounds: 1)
    evidence.logLosses = [[Float](repeating: -1, count: 100)]
    #expect(evidence.fittedLowerMode(of: Array(0..<60)).isEmpty)
  }
}
