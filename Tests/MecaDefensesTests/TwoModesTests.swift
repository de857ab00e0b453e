import MecaCore
import MecaDefenses
import Testing

@Suite struct TwoModesTests {
  /// Otsu's definition without any bookkeeping: tries every cut, computes both variances anew.
  private func naive(_ values: [Float]) -> (threshold: Double, explained: Double) {
    let clamped = values.map { Double(min(1, max(-7, $0))) }
    func mean(_ list: [Double]) -> Double { list.reduce(0, +) / Double(list.count) }
    let all = mean(clamped)
    let total = clamped.map { ($0 - all) * ($0 - all) }.reduce(0, +)
    var best = (threshold: -Double.infinity, explained: 0.0)
    for cut in 1..<80 {
      let threshold = -7 + 8 * Double(cut) / 80
      let lower = clamped.filter { $0 <= threshold }
      let upper = clamped.filter { $0 > threshold }
      let share = Double(lower.count) / Double(clamped.count)
      guard share >= 0.02, share <= 0.98 else { continue }
      let within = [lower, upper].reduce(0.0) { sum, side in
        let centre = mean(side)
        return sum + side.map { ($0 - centre) * ($0 - centre) }.reduce(0, +)
      }
      let explained = 1 - within / total
      if explained > best.explained + 1e-12 { best = (threshold, explained) }
    }
    return best
  }

  @Test(arguments: 0..<20) func theBestCutIsTheNaiveOne(seed: Int) {
    var random = KeyedRandom(seed: UInt64(seed), purpose: .test)
    let share = random.uniform(in: 0.05...0.9)
    let values = (0..<300).map { _ in
      random.uniform() < share ? -5 + random.normal() : 0.2 + 0.7 * random.normal()
    }
    let modes = twoModes(values)
    let expected = naive(values)
    // The two sums differ in order alone: 300 terms of double precision.
    #expect(abs(modes.explained - expected.explained) < 1e-10)
    #expect(modes.threshold == expected.threshold)
  }

  @Test func twoDistantModesSeparateAndOneDoesNot() {
    var random = KeyedRandom(seed: 3, purpose: .test)
    let one = (0..<2000).map { _ in -1 + 0.5 * random.normal() }
    let two = (0..<2000).map { index in (index % 3 == 0 ? -5 : 0) + 0.5 * random.normal() }
    // A normal distribution cut at its mean: η = 2/π ≈ 0.64, gap 2·0.8 σ = 0.8.
    #expect(abs(twoModes(one).explained - 0.64) < 0.03)
    #expect(twoModes(one).separation < 0.7)
    #expect(twoModes(two).separation > 4)
    #expect(abs(twoModes(two).lowerShare - 1.0 / 3) < 0.01)
  }

  @Test func degenerateListsSeparateNothing() {
    #expect(twoModes([]).separation == 0)
    #expect(twoModes([1]).separation == 0)
    #expect(twoModes([Float](repeating: -3, count: 50)).separation == 0)
  }

  @Test func lossesBelowTheFloorAreTheFloor() {
    #expect(log10Loss(1) == 0)
    #expect(log10Loss(0) == -7)
    #expect(log10Loss(1e-30) == -7)
  }
}
