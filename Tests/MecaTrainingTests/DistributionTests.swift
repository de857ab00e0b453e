import MecaTraining
import Testing

/// Cross entropy and divergence against values computed by hand.
@Suite struct DistributionTests {
  func kl(_ first: [Float], _ second: [Float]) -> Float {
    first.withUnsafeBufferPointer { a in
      second.withUnsafeBufferPointer { b in divergence(from: a, to: b) }
    }
  }

  @Test func theDivergenceIsThatOfTheFirstFromTheSecond() {
    // p = (1/2, 1/2), q = (3/4, 1/4): KL(p‖q) = ln 2 − ½ ln 3, KL(q‖p) = ¾ ln 3 − ln 2.
    let even: [Float] = [7, 7]
    let odd: [Float] = [Float(1.0986122886681098), 0]
    #expect(abs(kl(even, odd) - 0.14384104) < 1e-7)
    #expect(abs(kl(odd, even) - 0.13081204) < 1e-7)
    #expect(kl(odd, odd) == 0)
    // A shift of all logits changes nothing, and large ones do not overflow; a float of size 1008
    // is good to 3e-5.
    #expect(abs(kl([1007, 1007], [1008.0986, 1007]) - 0.143841) < 1e-4)
  }

  @Test func whatIsNoNumberStaysNone() {
    #expect(kl([0, .nan], [0, 1]).isNaN)
    #expect(!kl([0, 1], [0, .infinity]).isFinite)
  }

  @Test func theCrossEntropyKeepsItsDigitsNearZero() {
    let logits: [Float] = [20, 0, 0]
    let losses = logits.withUnsafeBufferPointer { buffer in
      (0..<3).map { crossEntropy(logits: buffer, label: $0) }
    }
    // ln(1 + 2e⁻²⁰) = 4.1223072e-9, beside a 20 whose last binary digit is 3.6e-15.
    #expect(abs(losses[0] - 4.1223072e-9) < 4e-15)
    #expect(losses[1] == 20 && losses[2] == 20)
  }
}
