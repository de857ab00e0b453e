import MecaDefenses
import MecaTraining
import Testing

@Suite struct PartitionTests {
  @Test func ranksCountWithinEachLabelAlone() {
    #expect(ranksWithinLabel([5, 1, 3], labels: [0, 0, 1]) == [1, 0, 0])
    #expect(ranksWithinLabel([2, 2, 2], labels: [0, 0, 0]) == [0, 0.5, 1], "ties by index")
    #expect(ranksWithinLabel([Float](), labels: []).isEmpty)
  }

  @Test func misclassifiedSamplesAreCleanerThanAnyFittedOne() {
    let records = [
      SampleRecord(loss: 0, divergence: 9, prediction: 0),
      SampleRecord(loss: 0, divergence: 1, prediction: 1),
      SampleRecord(loss: 0, divergence: 2, prediction: 1),
      SampleRecord(loss: 0, divergence: 0, prediction: 0),
    ]
    // Label 0 throughout: samples 1 and 2 are misclassified; among equals the larger KL is cleaner.
    let ranks = cleanness(records, labels: [0, 0, 0, 0])
    #expect(ranks[3] == 0)
    #expect(ranks[0] < ranks[1])
    #expect(ranks[1] < ranks[2])
    #expect(ranks[2] == 1)
  }

  /// Divergences are of this size; none may be lost beside the mark of the misclassified.
  @Test func smallDivergencesOrderTheMisclassifiedToo() {
    let divergences: [Float] = [3e-5, 1e-5, 2e-5, 4e-5]
    let records = divergences.map { SampleRecord(loss: 3, divergence: $0, prediction: 1) }
    #expect(cleanness(records, labels: [0, 0, 0, 0]) == [2.0 / 3, 0, 1.0 / 3, 1])
  }

  @Test func aLabelInTwoModesGivesThreeQuartersOfTheUpper() {
    // Label 0: one fifth far below. Label 1: all the same. Label 2: one of a hundred below, no cut.
    let logLoss =
      [Float](repeating: -5, count: 20) + [Float](repeating: 0.5, count: 80)
      + [Float](repeating: -1, count: 50) + [-5] + [Float](repeating: 0.5, count: 99)
    let labels = logLoss.indices.map { Int32($0 < 100 ? 0 : $0 < 150 ? 1 : 2) }
    let rates = adaptedRates(0.3, meanLogLoss: logLoss, labels: labels)
    #expect(abs(rates[0] - 0.6) < 1e-6)
    #expect(rates[1] == 0.3 && rates[2] == 0.3)
    #expect(adaptedRates(0.7, meanLogLoss: logLoss, labels: labels)[0] == 0.7)
    #expect(adaptedRates(0, meanLogLoss: logLoss, labels: labels) == [0, 0, 0])
  }

  @Test func theCutTakesItsShareOfEachLabel() {
    let labels: [Int32] = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    let cleanness: [Float] = [0.1, 0.9, 0.4, 0.6, 0, 0.2, 0.4, 0.6, 0.8, 1]
    let picked = surelyClean(cleanness, labels: labels, rates: [0.5, 0.34])
    #expect(picked.indices.filter { picked[$0] } == [1, 3, 8, 9])
    #expect(surelyClean(cleanness, labels: labels, rates: [0, 0]).allSatisfy { !$0 })
    #expect(surelyClean(cleanness, labels: labels, rates: [1, 1]).allSatisfy { $0 })
  }

  @Test func foldsShareEachLabelEvenlyAndHangOnTheSeed() {
    let labels = (0..<103).map { Int32($0 % 5) }
    let folds = CrossFit.assignFolds(labels: labels, folds: 3, seed: 7)
    #expect(folds.count == labels.count)
    for label in 0..<5 {
      let counts = (0..<3).map { fold in
        labels.indices.filter { Int(labels[$0]) == label && Int(folds[$0]) == fold }.count
      }
      #expect(counts.max()! - counts.min()! <= 1, "label \(label): \(counts)")
    }
    #expect(folds == CrossFit.assignFolds(labels: labels, folds: 3, seed: 7))
    #expect(folds != CrossFit.assignFolds(labels: labels, folds: 3, seed: 8))
  }

  @Test func listsAreAveragedPlaceByPlace() {
    #expect(meanOfLists([[1, 2], [3, 6]]) == [2, 4])
    #expect(meanOfLists([]).isEmpty)
  }
}
