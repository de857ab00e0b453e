#if MECA_ONEDNN
  import COneDNN

  /// Which of a convolution's three computations.
  enum OneDNNDirection {
    case forward, backwardInput, backwardWeights
  }

  /// What oneDNN is asked to plan: one direction of one convolution.
  struct OneDNNRequest {
    let shape: ConvolutionShape
    let direction: OneDNNDirection
    let input: ActivationLayout
    let output: ActivationLayout
    /// Order that the weights must have; nil lets oneDNN choose.
    var weights: dnnl_memory_desc_t?
    /// Type of what is multiplied; sums and results are always fp32.
    var operands = dnnl_f32

    /// Channels as oneDNN sees them: whole blocks.
    var inputChannels: Int { input.blocks * input.block }
    var outputChannels: Int { output.blocks * output.block }

    /// Plans the direction, or throws where no kernel fits.
    func plan(engine: dnnl_engine_t) throws -> OneDNNPrimitive {
      func type(_ isResult: Bool) -> dnnl_data_type_t { isResult ? dnnl_f32 : operands }
      let source = try describe(input, type(direction == .backwardInput))
      let destination = try describe(output, type(direction == .forward))
      let weights = try self.weights ?? anyWeights(type(direction == .backwardWeights))

      // The backward planners want a forward one as a hint, and read only its shapes.
      let hint = try descriptor(
        .forward, describe(input, operands), weights: anyWeights(operands),
        describe(output, dnnl_f32), engine: engine, hint: nil)
      defer { dnnl_primitive_desc_destroy(hint) }
      let planned = try descriptor(
        direction, source, weights: weights, destination, engine: engine, hint: hint)
      defer { dnnl_primitive_desc_destroy(planned) }
      return try OneDNNPrimitive(
        planned, engine: engine, direction: direction, source: source, destination: destination)
    }

    /// The plan, or nil where the library has no kernel for it; other failures are thrown, since a
    /// rank that went on with another kernel would compute other bits than the rest.
    func planIfSupported(engine: dnnl_engine_t) throws -> OneDNNPrimitive? {
      do {
        return try plan(engine: engine)
      } catch EngineError.library(_, _, Int(dnnl_unimplemented.rawValue)) {
        return nil
      }
    }

    private func descriptor(
      _ direction: OneDNNDirection, _ source: dnnl_memory_desc_t, weights: dnnl_memory_desc_t,
      _ destination: dnnl_memory_desc_t, engine: dnnl_engine_t, hint: dnnl_primitive_desc_t?
    ) throws -> dnnl_primitive_desc_t {
      var source = source
      var weights = weights
      var destination = destination
      var operation = dnnl_convolution_desc_t()
      let strides = [Int64](repeating: Int64(shape.stride), count: 2)
      let padding = [Int64](repeating: Int64(shape.padding), count: 2)
      let status =
        switch direction {
        case .forward:
          dnnl_convolution_forward_desc_init(
            &operation, dnnl_forward_training, dnnl_convolution_direct, &source, &weights, nil,
            &destination, strides, padding, padding)
        case .backwardInput:
          dnnl_convolution_backward_data_desc_init(
            &operation, dnnl_convolution_direct, &source, &weights, &destination, strides, padding,
            padding)
        case .backwardWeights:
          dnnl_convolution_backward_weights_desc_init(
            &operation, dnnl_convolution_direct, &source, &weights, nil, &destination, strides,
            padding, padding)
        }
      try check(status, "describe a convolution")

      var attributes: dnnl_primitive_attr_t?
      try check(dnnl_primitive_attr_create(&attributes), "create attributes")
      defer { dnnl_primitive_attr_destroy(attributes) }
      try check(
        dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user),
        "set the scratchpad's mode")
      var result: dnnl_primitive_desc_t?
      try check(
        dnnl_primitive_desc_create(&result, &operation, attributes, engine, hint),
        "plan a convolution")
      guard let result else {
        throw EngineError.library(engine: .onednn, operation: "plan a convolution", code: 0)
      }
      return result
    }

    private func describe(
      _ layout: ActivationLayout, _ type: dnnl_data_type_t
    ) throws -> dnnl_memory_desc_t {
      let tag =
        switch layout.block {
        case 16: dnnl_nChw16c
        case 8: dnnl_nChw8c
        default: dnnl_nchw
        }
      return try oneDNNMemory(
        [shape.batch, layout.blocks * layout.block, layout.height, layout.width], tag, type)
    }

    private func anyWeights(_ type: dnnl_data_type_t) throws -> dnnl_memory_desc_t {
      try oneDNNMemory(
        [outputChannels, inputChannels, shape.kernel, shape.kernel], dnnl_format_tag_any, type)
    }
  }

  /// Describes numbers of four dimensions in the order `tag`.
  func oneDNNMemory(
    _ sizes: [Int], _ tag: dnnl_format_tag_t, _ type: dnnl_data_type_t = dnnl_f32
  ) throws -> dnnl_memory_desc_t {
    var result = dnnl_memory_desc_t()
    try check(
      dnnl_memory_desc_init_by_tag(&result, 4, sizes.map(Int64.init), type, tag),
      "describe memory")
    return result
  }
#endif
