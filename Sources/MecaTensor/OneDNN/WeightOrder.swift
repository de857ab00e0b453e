import MecaCore

#if MECA_ONEDNN
  import COneDNN
  import MecaCore

  /// One order of a convolution's weights in memory, with channels filled up to whole blocks.
  ///
  /// Conversions go through plain `[K, C, R, S]` of the filled-up size, so that padding is zero by
  /// construction: 3 → 16 channels with an input in blocks of 8 is `[16, 8, R, S]`.
  struct WeightOrder {
    /// Floats, padding included.
    let count: Int
    let order: dnnl_memory_desc_t
    /// The same sizes in plain order.
    let plain: dnnl_memory_desc_t
    /// Real and filled-up sizes: K, C, and R·S.
    let realOutputs: Int
    let realInputs: Int
    let outputs: Int
    let inputs: Int
    let points: Int
    private let toOwn: OneDNNReorder
    private let toPlain: OneDNNReorder

    init(
      shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
      order: dnnl_memory_desc_t, engine: dnnl_engine_t
    ) throws {
      self.order = order
      var copy = order
      count = dnnl_memory_desc_get_size(&copy) / MemoryLayout<Float>.size
      realOutputs = shape.outputChannels
      realInputs = shape.inputChannels
      outputs = output.blocks * output.block
      inputs = input.blocks * input.block
      points = shape.kernel * shape.kernel
      plain = try oneDNNMemory([outputs, inputs, shape.kernel, shape.kernel], dnnl_oihw)
      toOwn = try OneDNNReorder(from: plain, to: order, engine: engine)
      toPlain = try OneDNNReorder(from: order, to: plain, engine: engine)
    }

    /// Floats of the plain order, filled up.
    var plainCount: Int { outputs * inputs * points }

    func importWeights(
      _ canonical: UnsafePointer<Float>, to own: UnsafeMutablePointer<Float>
    ) {
      let filled = AlignedStorage<Float>(count: plainCount)
      for k in 0..<realOutputs {
        (filled.pointer + k * inputs * points).update(
          from: canonical + k * realInputs * points, count: realInputs * points)
      }
      toOwn.run(from: filled.pointer, to: own)
    }

    func exportWeights(
      _ own: UnsafePointer<Float>, to canonical: UnsafeMutablePointer<Float>
    ) {
      let filled = AlignedStorage<Float>(count: plainCount)
      toPlain.run(from: own, to: filled.pointer)
      for k in 0..<realOutputs {
        (canonical + k * realInputs * points).update(
          from: filled.pointer + k * inputs * points, count: realInputs * points)
      }
    }
  }

  /// Derives one direction's weights from the parameter block, once per weight update.
  final class WeightPreparation {
    private let from: WeightOrder
    private let to: WeightOrder
    private let offset: Int
    /// Both in whole blocks: a single reorder does it.
    private let direct: OneDNNReorder?
    private let narrow: AlignedStorage<Float>
    private let wide: AlignedStorage<Float>
    private let unroll: OneDNNReorder
    private let roll: OneDNNReorder

    init(
      from: WeightOrder, to: WeightOrder, offset: Int, engine: dnnl_engine_t
    ) throws {
      self.from = from
      self.to = to
      self.offset = offset
      let same = from.inputs == to.inputs
      direct = same ? try OneDNNReorder(from: from.order, to: to.order, engine: engine) : nil
      narrow = AlignedStorage(count: same ? 0 : from.plainCount)
      wide = AlignedStorage(count: same ? 0 : to.plainCount)
      unroll = try OneDNNReorder(from: from.order, to: from.plain, engine: engine)
      roll = try OneDNNReorder(from: to.plain, to: to.order, engine: engine)
    }

    func run(_ weights: UnsafePointer<Float>, _ prepared: UnsafeMutablePointer<Float>) {
      if let direct {
        direct.run(from: weights, to: prepared + offset)
        return
      }
      // The parameter block knows the real input channels only, the target whole blocks of them;
      // the places between stay zero from the beginning.
      unroll.run(from: weights, to: narrow.pointer)
      for k in 0..<from.outputs {
        (wide.pointer + k * to.inputs * to.points).update(
          from: narrow.pointer + k * from.inputs * from.points, count: from.inputs * from.points)
      }
      roll.run(from: wide.pointer, to: prepared + offset)
    }
  }
#endif
