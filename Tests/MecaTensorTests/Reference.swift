import MecaCore
import MecaTensor

/// The three directions of a convolution by plain loops in `Double`, NCHW and KCRS.
struct NaiveConvolution {
  let shape: ConvolutionShape

  var inputCount: Int {
    shape.batch * shape.inputChannels * shape.inputHeight * shape.inputWidth
  }
  var outputCount: Int {
    shape.batch * shape.outputChannels * shape.outputHeight * shape.outputWidth
  }

  func forward(_ input: [Float], _ weights: [Float]) -> [Double] {
    var output = [Double](repeating: 0, count: outputCount)
    forEachTerm { i, w, o in output[o] += Double(input[i]) * Double(weights[w]) }
    return output
  }

  func backwardInput(_ gradOutput: [Float], _ weights: [Float]) -> [Double] {
    var gradInput = [Double](repeating: 0, count: inputCount)
    forEachTerm { i, w, o in gradInput[i] += Double(gradOutput[o]) * Double(weights[w]) }
    return gradInput
  }

  func backwardWeights(_ input: [Float], _ gradOutput: [Float]) -> [Double] {
    var gradWeights = [Double](repeating: 0, count: shape.weightCount)
    forEachTerm { i, w, o in gradWeights[w] += Double(input[i]) * Double(gradOutput[o]) }
    return gradWeights
  }

  private func forEachTerm(_ visit: (_ input: Int, _ weight: Int, _ output: Int) -> Void) {
    let s = shape
    let (inputs, outputs) = (s.inputChannels / s.groups, s.outputChannels / s.groups)
    for n in 0..<s.batch {
      for k in 0..<s.outputChannels {
        for i in 0..<s.outputHeight {
          for j in 0..<s.outputWidth {
            let o = ((n * s.outputChannels + k) * s.outputHeight + i) * s.outputWidth + j
            for place in 0..<inputs {
              let c = k / outputs * inputs + place
              for r in 0..<s.kernel {
                let h = i * s.stride + r - s.padding
                guard h >= 0, h < s.inputHeight else { continue }
                for q in 0..<s.kernel {
                  let w = j * s.stride + q - s.padding
                  guard w >= 0, w < s.inputWidth else { continue }
                  visit(
                    ((n * s.inputChannels + c) * s.inputHeight + h) * s.inputWidth + w,
                    ((k * inputs + place) * s.kernel + r) * s.kernel + q, o)
                }
              }
            }
          }
        }
      }
    }
  }
}

/// `count` numbers from [-1, 1), different for each `stream`.
func randomValues(_ count: Int, stream: Int) -> [Float] {
  var random = KeyedRandom(seed: 7, purpose: .test, stream)
  return (0..<count).map { _ in random.uniform() * 2 - 1 }
}

/// Largest distance between two vectors of equal length.
func largestError(_ values: [Float], _ expected: [Double]) -> Double {
  precondition(values.count == expected.count, "\(values.count) values, \(expected.count) expected")
  return zip(values, expected).map { value, wanted in
    value.isFinite ? abs(Double(value) - wanted) : .infinity
  }.max() ?? 0
}

/// What a sum of `terms` products of numbers from [-1, 1] may be off in `Float`.
///
/// Each of the `terms` roundings is at most half an ulp (2⁻²⁴) of a partial sum. Partial sums of
/// random signs stay below 6·sqrt(terms / 9) (six standard deviations, variance of a product 1/9),
/// and roundings of random signs add up to sqrt(terms) of them; six deviations again:
/// 6 · sqrt(terms) · 2⁻²⁴ · 2 · sqrt(terms) = 12 · terms · 2⁻²⁴. Winograd loses about 10 times more.
func sumTolerance(terms: Int, winograd: Bool = false) -> Double {
  12 * Double(max(terms, 4)) * 0x1p-24 * (winograd ? 10 : 1)
}

/// Memory of `layout`, filled from plain NCHW values.
func packed(_ nchw: [Float], _ layout: ActivationLayout, batch: Int) -> AlignedStorage<Float> {
  precondition(nchw.count == batch * layout.channels * layout.planeSize, "\(nchw.count) values")
  let storage = AlignedStorage<Float>(count: layout.count(batch: batch))
  storage.fill(.nan)
  pack(layout, batch: batch, nchw: nchw, to: storage.pointer)
  return storage
}

/// Plain NCHW values out of `layout`.
func unpacked(_ storage: AlignedStorage<Float>, _ layout: ActivationLayout, batch: Int) -> [Float] {
  var result = [Float](repeating: .nan, count: batch * layout.channels * layout.planeSize)
  unpack(layout, batch: batch, storage.pointer, toNCHW: &result)
  return result
}

/// Places of `layout` behind the last channel, in the order of memory.
func padding(_ storage: AlignedStorage<Float>, _ layout: ActivationLayout, batch: Int) -> [Float] {
  (0..<storage.count).filter { index in
    let place = index % layout.block
    let block = index / (layout.block * layout.planeSize) % layout.blocks
    return block * layout.block + place >= layout.channels
  }.map { storage[$0] }
}
