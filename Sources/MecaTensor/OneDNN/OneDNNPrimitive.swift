#if MECA_ONEDNN
  import COneDNN

  /// One planned direction: a oneDNN primitive with the memory handles it runs on.
  final class OneDNNPrimitive {
    /// oneDNN's name of the kernel, such as `jit:avx2`.
    let implementation: String
    /// Order of the weights that this direction reads or writes.
    let weights: dnnl_memory_desc_t
    /// Floats of temporary memory that a run needs.
    let scratchCount: Int

    private let primitive: dnnl_primitive_t
    private let stream: dnnl_stream_t
    /// Source, weights, destination, scratchpad.
    private let arguments: UnsafeMutableBufferPointer<dnnl_exec_arg_t>

    init(
      _ planned: dnnl_primitive_desc_t, engine: dnnl_engine_t, direction: OneDNNDirection,
      source: dnnl_memory_desc_t, destination: dnnl_memory_desc_t
    ) throws {
      var name: UnsafePointer<CChar>?
      try check(
        dnnl_primitive_desc_query(planned, dnnl_query_impl_info_str, 0, &name), "query a name")
      implementation = name.map { String(cString: $0) } ?? "unnamed"
      let role = direction == .backwardWeights ? dnnl_query_diff_weights_md : dnnl_query_weights_md
      guard let weights = dnnl_primitive_desc_query_md(planned, role, 0),
        let scratch = dnnl_primitive_desc_query_md(planned, dnnl_query_scratchpad_md, 0)
      else { throw EngineError.library(engine: .onednn, operation: "query memory", code: 0) }
      self.weights = weights.pointee
      scratchCount = (dnnl_memory_desc_get_size(scratch) + 3) / 4

      var primitive: dnnl_primitive_t?
      try check(dnnl_primitive_create(&primitive, planned), "create a convolution")
      var stream: dnnl_stream_t?
      try check(
        dnnl_stream_create(&stream, engine, dnnl_stream_default_flags.rawValue), "create a stream")
      guard let primitive, let stream else {
        throw EngineError.library(engine: .onednn, operation: "create a convolution", code: 0)
      }
      self.primitive = primitive
      self.stream = stream
      let roles = [
        direction == .backwardInput ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC,
        direction == .backwardWeights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS,
        direction == .forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST,
        DNNL_ARG_SCRATCHPAD,
      ]
      arguments = .allocate(capacity: roles.count)
      arguments.initialize(repeating: dnnl_exec_arg_t(arg: 0, memory: nil))
      for (index, description) in [source, weights.pointee, destination, scratch.pointee]
        .enumerated()
      {
        var description = description
        var memory: dnnl_memory_t?
        try check(dnnl_memory_create(&memory, &description, engine, nil), "create memory")
        arguments[index] = dnnl_exec_arg_t(arg: roles[index], memory: memory)
      }
    }

    deinit {
      for argument in arguments { dnnl_memory_destroy(argument.memory) }
      arguments.deallocate()
      dnnl_stream_destroy(stream)
      dnnl_primitive_destroy(primitive)
    }

    /// Runs on the calling thread; which of the pointers is written depends on the direction.
    func run(
      source: UnsafeRawPointer, weights: UnsafeRawPointer, destination: UnsafeRawPointer,
      scratch: UnsafeMutablePointer<Float>
    ) {
      set(0, UnsafeMutableRawPointer(mutating: source))
      set(1, UnsafeMutableRawPointer(mutating: weights))
      set(2, UnsafeMutableRawPointer(mutating: destination))
      set(3, scratch)
      require(
        dnnl_primitive_execute(primitive, stream, Int32(arguments.count), arguments.baseAddress),
        "run a convolution")
    }

    private func set(_ index: Int, _ pointer: UnsafeMutableRawPointer) {
      require(
        dnnl_memory_set_data_handle(arguments[index].memory, pointer), "set a memory's address")
    }
  }

  /// Copies between two orders or types of one set of weights.
  final class OneDNNReorder {
    private let primitive: dnnl_primitive_t
    private let stream: dnnl_stream_t
    private let arguments: UnsafeMutableBufferPointer<dnnl_exec_arg_t>

    init(
      from source: dnnl_memory_desc_t, to destination: dnnl_memory_desc_t, engine: dnnl_engine_t
    ) throws {
      var source = source
      var destination = destination
      var planned: dnnl_primitive_desc_t?
      try check(
        dnnl_reorder_primitive_desc_create(&planned, &source, engine, &destination, engine, nil),
        "plan a reorder")
      defer { dnnl_primitive_desc_destroy(planned) }
      var primitive: dnnl_primitive_t?
      try check(dnnl_primitive_create(&primitive, planned), "create a reorder")
      var stream: dnnl_stream_t?
      try check(
        dnnl_stream_create(&stream, engine, dnnl_stream_default_flags.rawValue), "create a stream")
      var from: dnnl_memory_t?
      var to: dnnl_memory_t?
      try check(dnnl_memory_create(&from, &source, engine, nil), "create memory")
      try check(dnnl_memory_create(&to, &destination, engine, nil), "create memory")
      guard let primitive, let stream else {
        throw EngineError.library(engine: .onednn, operation: "create a reorder", code: 0)
      }
      self.primitive = primitive
      self.stream = stream
      arguments = .allocate(capacity: 2)
      arguments.initializeElement(at: 0, to: dnnl_exec_arg_t(arg: DNNL_ARG_FROM, memory: from))
      arguments.initializeElement(at: 1, to: dnnl_exec_arg_t(arg: DNNL_ARG_TO, memory: to))
    }

    deinit {
      for argument in arguments { dnnl_memory_destroy(argument.memory) }
      arguments.deallocate()
      dnnl_stream_destroy(stream)
      dnnl_primitive_destroy(primitive)
    }

    func run(from source: UnsafeRawPointer, to destination: UnsafeMutableRawPointer) {
      require(
        dnnl_memory_set_data_handle(
          arguments[0].memory, UnsafeMutableRawPointer(mutating: source)), "set a memory's address")
      require(
        dnnl_memory_set_data_handle(arguments[1].memory, destination), "set a memory's address")
      require(
        dnnl_primitive_execute(primitive, stream, 2, arguments.baseAddress), "reorder weights")
    }
  }
#endif
