import MecaCore
import Testing

@Suite struct KeyedRandomTests {
  /// Known answers of the authors' Random123 library (`kat_vectors`, philox4x32, 10 rounds).
  @Test func philoxGivesThePublishedAnswers() {
    let zero = philox4x32(counter: (0, 0, 0, 0), key: (0, 0))
    #expect(zero == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    let ones: UInt32 = 0xffff_ffff
    let full = philox4x32(counter: (ones, ones, ones, ones), key: (ones, ones))
    #expect(full == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    let pi = philox4x32(
      counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
      key: (0xa409_3822, 0x299f_31d0))
    #expect(pi == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test func everyCoordinateOfTheKeyOpensAnotherStream() {
    func first(_ seed: UInt64, _ purpose: RandomPurpose, _ a: Int, _ b: Int) -> UInt64 {
      var random = KeyedRandom(seed: seed, purpose: purpose, a, b)
      return random.next()
    }
    let streams = [
      first(1, .test, 0, 0), first(2, .test, 0, 0), first(1 << 32 | 1, .test, 0, 0),
      first(1, .trainingOrder, 0, 0), first(1, .test, 1, 0), first(1, .test, 0, 1),
    ]
    #expect(Set(streams).count == streams.count)
    #expect(first(1, .test, 5, 6) == first(1, .test, 5, 6))
  }

  @Test func permutationsHoldEveryPlaceOnce() {
    var random = KeyedRandom(seed: 4, purpose: .test)
    for count in [0, 1, 2, 7, 1000] {
      #expect(random.permutation(count: count).sorted() == Array(0..<count))
    }
    #expect(random.permutation(count: 1000) != Array(0..<1000))
  }

  @Test func uniformAndNormalNumbersHaveTheirMoments() {
    var random = KeyedRandom(seed: 5, purpose: .test)
    let count = 40_000
    let uniform = (0..<count).map { _ in Double(random.uniform()) }
    let normal = (0..<count).map { _ in Double(random.normal()) }
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    // Five standard errors: 5 · √(1/12)/√n for uniform, 5/√n for normal, 5·√(2/n) for its square.
    #expect(abs(mean(uniform) - 0.5) < 5 * (1.0 / 12).squareRoot() / Double(count).squareRoot())
    #expect(uniform.allSatisfy { $0 >= 0 && $0 < 1 })
    #expect(abs(mean(normal)) < 5 / Double(count).squareRoot())
    #expect(abs(mean(normal.map { $0 * $0 }) - 1) < 5 * (2 / Double(count)).squareRoot())
  }

  @Test func integersStayBelowTheirBoundAndReachAllOfIt() {
    var random = KeyedRandom(seed: 6, purpose: .test)
    let drawn = (0..<1000).map { _ in random.integer(below: 7) }
    #expect(Set(drawn) == Set(0..<7))
  }
}
