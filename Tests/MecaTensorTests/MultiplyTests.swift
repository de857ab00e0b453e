import MecaTensor
import Testing

@Suite struct MultiplyTests {
  @Test(
    arguments: EngineKind.available,
    [(1, 1, 1), (16, 10, 128), (3, 5, 7), (33, 64, 17)])
  func agreesWithPlainLoops(kind: EngineKind, size: (rows: Int, columns: Int, inner: Int)) throws {
    let engine = try makeEngine(kind)
    let (m, n, k) = size
    let a = randomValues(m * k, stream: 1)
    let b = randomValues(k * n, stream: 2)
    let old = randomValues(m * n, stream: 3)
    for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
      for (alpha, beta) in [(Float(1), Float(0)), (0.5, 2)] {
        var c = beta == 0 ? [Float](repeating: .nan, count: m * n) : old
        engine.multiply(
          rows: m, columns: n, inner: k, alpha: alpha, a, transposeA: transposeA, b,
          transposeB: transposeB, beta: beta, &c)
        let expected = (0..<(m * n)).map { index -> Double in
          let (i, j) = (index / n, index % n)
          let sum = (0..<k).map { p in
            Double(transposeA ? a[p * m + i] : a[i * k + p])
              * Double(transposeB ? b[j * k + p] : b[p * n + j])
          }.reduce(0, +)
          return Double(alpha) * sum + (beta == 0 ? 0 : Double(beta) * Double(old[index]))
        }
        // The sum, and two operations on the old content, below 2.
        #expect(largestError(c, expected) <= sumTolerance(terms: k) + 4 * 0x1p-24)
      }
    }
  }
}
