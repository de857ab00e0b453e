import Glibc
import MecaCore
import MecaNN
import MecaTensor
import Testing

/// What defences read of the filters, and channels made silent.
@Suite struct FilterBankTests {
  @Test(arguments: EngineKind.available, oddConfigurations)
  func banksAreTheTensorsOfTheStateDictionary(
    _ kind: EngineKind, _ configuration: NetworkConfiguration
  ) throws {
    let model = try makeModel(kind, configuration)
    let tensors = model.exportTensors()
    let convolutions = tensors.indices.filter { tensors[$0].shape.count == 4 }
    let names = convolutions.map { String(tensors[$0].name.dropLast(".weight".count)) }
    #expect(model.filterBanks.map(\.name) == names)
    for (bank, place) in zip(model.filterBanks, convolutions) {
      #expect(
        [bank.channels, bank.inputs, bank.kernel, bank.kernel] == tensors[place].shape,
        "\(bank.name)")
      #expect(bank.weights == tensors[place].values, "\(bank.name)")
      // The normalisation's tensors follow: weight, bias, running mean, running variance.
      #expect(bank.scale == tensors[place + 1].values, "\(bank.name)")
      #expect(bank.shift == tensors[place + 2].values, "\(bank.name)")
      #expect(bank.variance == tensors[place + 4].values, "\(bank.name)")
    }
  }

  @Test func silenceChangesTwoNumbersOfAChannel() throws {
    let model = try makeModel(EngineKind.available[0])
    let before = model.exportTensors()
    let bank = try #require(model.filterBanks.first { $0.name == "layer2.0.conv1" })
    #expect(bank.channels == 6)
    model.silence([1, 4], of: bank)
    for (old, new) in zip(before, model.exportTensors()) {
      guard old.name == "layer2.0.bn1.weight" || old.name == "layer2.0.bn1.bias" else {
        #expect(old == new)
        continue
      }
      #expect(!old.values.contains(0))
      var expected = old.values
      (expected[1], expected[4]) = (0, 0)
      #expect(new.values == expected)
    }
    #expect(bank.scale[4] == 0)
  }

  /// With every channel silent the classifier sees zeros, whatever the image.
  @Test(arguments: EngineKind.available, oddConfigurations)
  func aSilentNetworkGivesItsBias(
    _ kind: EngineKind, _ configuration: NetworkConfiguration
  ) throws {
    let model = try makeModel(kind, configuration)
    for bank in model.filterBanks { model.silence(Array(0..<bank.channels), of: bank) }
    let lane = try Lane(model: model, microbatch: 2, training: false, inputGradient: false)
    fillImages(lane)
    lane.infer()
    let bias = try #require(model.exportTensors().last).values
    #expect(lane.logits.array == bias + bias)
  }
}

/// The largest singular value by Jacobi rotations.
@Suite struct SpectralNormTests {
  @Test func valuesByHand() {
    func norm(_ values: [Float], _ rows: Int, _ columns: Int) -> Double {
      spectralNorm(values[...], rows: rows, columns: columns)
    }
    #expect(norm([-3], 1, 1) == 3)
    #expect(norm([3, 4], 1, 2) == 5)
    #expect(norm([3, 4], 2, 1) == 5)
    #expect(norm([3, 0, 0, -4], 2, 2) == 4)
    #expect(norm([Float](repeating: 0, count: 6), 2, 3) == 0)
    // AᵀA = [[25, 20], [20, 25]] has 45 and 5.
    #expect(
      abs(norm([3, 0, 4, 5], 2, 2) - 45.squareRoot()) <= 4 * Double.ulpOfOne * 45.squareRoot())
    // One row twice: √2 times its length.
    #expect(abs(norm([1, 2, 2, 1, 2, 2], 2, 3) - 18.squareRoot()) <= 8 * Double.ulpOfOne)
    let slice: [Float] = [9, 9, 3, 4, 9]
    #expect(spectralNorm(slice[2..<4], rows: 1, columns: 2) == 5)
  }

  /// Filters of every kind: stems of 3x3 and 7x7, 3x3, 1x1, depthwise, and shapes that none has.
  ///
  /// With u = 2⁻⁵³, m the longer and n the shorter side: each entry of the product is off by m·u times
  /// the product of two vectors' lengths, together by m·u·‖A‖_F² ≤ m·n·u·λ; a rotation changes a row
  /// by 6u of its length, and n − 1 rotations a sweep over at most 10 sweeps by 60·n·u·‖G‖_F, with
  /// ‖G‖_F ≤ √n·λ. The root halves that. LAPACK's own error is of the order of m·n·u.
  @Test func singularValuesOfLAPACK() throws {
    let shapes = [
      (3, 9), (3, 49), (16, 9), (5, 9), (9, 9), (9, 5), (64, 9), (512, 9), (1, 9), (1, 49), (64, 1),
      (49, 49), (50, 49), (7, 25), (2, 3), (1, 1),
    ]
    var random = KeyedRandom(seed: 3, purpose: .test, 9)
    for (rows, columns) in shapes {
      for rank in [max(rows, columns), 1] {
        let matrix = randomMatrix(rows, columns, rank: rank, &random)
        let expected = try lapackNorm(matrix, rows: rows, columns: columns)
        let found = spectralNorm(matrix[...], rows: rows, columns: columns)
        let (long, short) = (Double(max(rows, columns)), Double(min(rows, columns)))
        let unit = Double.ulpOfOne / 2
        let tolerance = (2 * long * short + 60 * short * short.squareRoot()) * unit
        #expect(expected > 0)
        #expect(
          abs(found - expected) <= tolerance * expected,
          "\(rows) x \(columns), rank \(rank): \(found) and \(expected)")
      }
    }
  }

  private func randomMatrix(
    _ rows: Int, _ columns: Int, rank: Int, _ random: inout KeyedRandom
  ) -> [Float] {
    if rank > 1 { return (0..<rows * columns).map { _ in random.normal() } }
    let left = (0..<rows).map { _ in random.normal() }
    let right = (0..<columns).map { _ in random.normal() }
    return left.flatMap { value in right.map { value * $0 } }
  }
}

/// LAPACK's singular values, as OpenBLAS carries them; the program itself needs no LAPACK.
private func lapackNorm(_ matrix: [Float], rows: Int, columns: Int) throws -> Double {
  typealias SingularValues =
    @convention(c) (
      UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafePointer<Int32>, UnsafePointer<Int32>,
      UnsafeMutablePointer<Double>, UnsafePointer<Int32>, UnsafeMutablePointer<Double>,
      UnsafeMutablePointer<Double>, UnsafePointer<Int32>, UnsafeMutablePointer<Double>,
      UnsafePointer<Int32>, UnsafeMutablePointer<Double>, UnsafePointer<Int32>,
      UnsafeMutablePointer<Int32>, Int, Int
    ) -> Void
  let symbol = try #require(dlsym(nil, "dgesvd_"), "OpenBLAS was built without LAPACK")
  let singularValues = unsafeBitCast(symbol, to: SingularValues.self)
  // Fortran stores columns: what it sees is the transposed matrix, with the same singular values.
  let (m, n) = ([Int32(columns)], [Int32(rows)])
  var values = matrix.map { Double($0) }
  var result = [Double](repeating: 0, count: min(rows, columns))
  var work = [Double](repeating: 0, count: 8 * (rows + columns))
  var (vectors, otherVectors) = (0.0, 0.0)
  var status: Int32 = -1
  singularValues(
    "N", "N", m, n, &values, m, &result, &vectors, [1], &otherVectors, [1], &work,
    [Int32(work.count)], &status, 1, 1)
  try #require(status == 0)
  return result[0]
}
