import MecaCore
import MecaDefenses
import Testing

/// The numbers that findings rest on.
@Suite struct ForensicStatisticsTests {
  /// Against exact fractions: all 3 marked in 3 drawn of 10 is 1/120; 2 or 3 of them is
  /// (3·7 + 1)/120.
  @Test func hypergeometricTailIsExact() {
    #expect(abs(hypergeometricTail(3, drawn: 3, marked: 3, count: 10) - -2.0791812) < 1e-6)
    #expect(abs(hypergeometricTail(2, drawn: 3, marked: 3, count: 10) - -0.7367585) < 1e-6)
    #expect(hypergeometricTail(0, drawn: 3, marked: 3, count: 10) == 0)
    #expect(hypergeometricTail(4, drawn: 3, marked: 3, count: 10) == -.infinity)
    // 9 drawn of 10 hold at least 2 of 3 marked.
    #expect(hypergeometricTail(2, drawn: 9, marked: 3, count: 10) == 0)
    #expect(hypergeometricTail(100, drawn: 1000, marked: 100, count: 10_000) < -95)
  }

  /// By hand: 3 own of 2 classes (2 and 1), 2 foreign of class 1; suspects of both classes.
  @Test func foreignLooksAreALikelihoodRatio() {
    func looks(_ suspects: [Int], foreign: [Int] = [1, 1]) -> Double {
      foreignLooks(suspects, own: [0, 0, 1], foreign: foreign, classes: 2)
    }
    // P₀ = (3/5, 2/5), P₁ = (1/4, 3/4): log(15/8 · 15/8 · 5/12).
    #expect(abs(looks([1, 1, 0]) - 0.381748) < 1e-6)
    #expect(looks([]) == 0 && looks([0]) < 0 && looks([1]) > 0)
    // Nothing learnt: all labels look the same.
    #expect(abs(looks([0, 1, 1], foreign: [0, 0, 1])) < 1e-12)
  }

  @Test func twoHeapsAreClearAndOneIsNot() {
    var random = KeyedRandom(seed: 1, purpose: .test)
    let heap = (0..<400).map { _ in random.normal() }
    let one = SplitStatistics(of: heap)
    #expect(one.distance < 3 && one.valley > 0.3)
    let two = SplitStatistics(of: heap + (0..<40).map { _ in random.normal() + 12 })
    #expect(abs(two.upperShare - 40.0 / 440) < 1e-9)
    #expect(two.distance > 10 && two.valley == 0)
    #expect(two.threshold > 3 && two.threshold < 9)
  }

  /// Nothing to cut, and too few numbers, are no groups; two values are as clear as can be.
  @Test func degenerateNumbers() {
    #expect(SplitStatistics(of: [Float](repeating: 3, count: 50)) == SplitStatistics())
    #expect(SplitStatistics(of: [1, 2, 3]) == SplitStatistics())
    #expect(SplitStatistics(of: []) == SplitStatistics())
    let two = SplitStatistics(
      of: [Float](repeating: 0, count: 20) + [Float](repeating: 1, count: 8))
    #expect(two.distance > 1e5 && two.valley == 0 && two.threshold == 0.5)
  }

  /// The rate of false alarms: a part of sets for templates, ten million windows for patches.
  @Test func falseAlarmsFollowWhatWasMeasured() {
    let colour = Finding.Kind.colour
    let measured = colour.measured
    #expect(measured.largest.allSatisfy { $0 < colour.strong })
    #expect(measured.largest == measured.largest.sorted(by: >))
    // None of so many labels: (1 + 0) / (1 + 1390) for each of ten.
    #expect(abs(colour.falseAlarmRate(strength: 1000, labels: 10) - 0.00717) < 1e-5)
    // The second largest of them: three times as often.
    #expect(abs(colour.falseAlarmRate(strength: 2.73, labels: 10) - 0.02136) < 1e-5)
    #expect(Finding.Kind.patch.falseAlarmRate(strength: 20, labels: 10) < 1e-11)
    #expect(abs(Finding.Kind.patch.falseAlarmRate(strength: 6.5, labels: 10) - 0.00717) < 1e-5)
  }
}
