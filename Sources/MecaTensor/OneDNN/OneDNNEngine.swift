#if MECA_ONEDNN
  import COneDNN
  import Glibc

  /// oneDNN on one core: blocked activations, generated kernels; our own where they suit.
  ///
  /// Channels are rounded up to the block on both sides of every inner convolution, so that oneDNN
  /// itself sees no padding and never clears any. Up to 8 channels lie in a block of 8 even where
  /// registers hold 16: the kernels for AVX2 do such layers in half the time, since three quarters
  /// of what those for AVX-512 multiply would be zeros. Not marked `Sendable` by structure: the
  /// handle is immutable and oneDNN allows its use from several threads.
  final class OneDNNEngine: Engine, @unchecked Sendable {
    let kind = EngineKind.onednn
    let fingerprint: String
    let handle: dnnl_engine_t
    /// Channels that lie side by side in wide layers: as many floats as a vector register holds.
    let block: Int
    /// The same for layers that need no more.
    private static let narrowBlock = 8
    let precision: Precision

    init(precision: Precision) throws {
      self.precision = precision
      Self.limitThreads()
      var engine: dnnl_engine_t?
      try check(dnnl_engine_create(&engine, dnnl_cpu, 0), "create the CPU engine")
      guard let engine else {
        throw EngineError.library(engine: .onednn, operation: "create the CPU engine", code: 0)
      }
      handle = engine
      let version = dnnl_version().pointee
      // Other runtimes spread a kernel over threads that nobody could hold back.
      let runtime = UInt32(version.cpu_runtime)
      guard runtime == DNNL_RUNTIME_SEQ || runtime == DNNL_RUNTIME_OMP else {
        throw EngineError.library(
          engine: .onednn, operation: "compute on one thread with this build's CPU runtime",
          code: Int(runtime))
      }
      let isa = dnnl_get_effective_cpu_isa().rawValue
      let avx512 = isa & dnnl_cpu_isa_avx512_core.rawValue == dnnl_cpu_isa_avx512_core.rawValue
      let avx2 = isa & dnnl_cpu_isa_avx2.rawValue == dnnl_cpu_isa_avx2.rawValue
      block = avx512 ? 16 : avx2 ? 8 : 1
      let bfloat16 = dnnl_cpu_isa_avx512_core_bf16.rawValue
      if precision == .bf16, isa & bfloat16 != bfloat16 {
        throw EngineError.noBFloat16(.onednn)
      }
      fingerprint =
        "oneDNN \(version.major).\(version.minor).\(version.patch)"
        + " isa 0x\(String(isa, radix: 16)) block \(block)"
        + (block > Self.narrowBlock ? " or \(Self.narrowBlock)" : "")
        + (block > 1 ? " \(WinogradConvolution.name) \(PointwiseConvolution.name)" : "")
        // Statistics of pixels go through OpenBLAS with this engine too.
        + " OpenBLAS core \(OpenBLASCoreType.current)"
        + (precision == .bf16 ? " bf16" : "")
    }

    deinit { dnnl_engine_destroy(handle) }

    func enterThread() { Self.limitThreads() }

    func activationLayout(channels: Int, height: Int, width: Int) -> ActivationLayout {
      let block = channels <= Self.narrowBlock ? min(block, Self.narrowBlock) : block
      return ActivationLayout(channels: channels, block: block, height: height, width: width)
    }

    /// Plain NCHW where a generated kernel reads it, since three channels would fill a block with
    /// zeros; else blocks.
    func imageLayout(
      height: Int, width: Int, channels: Int, kernel: Int, stride: Int
    ) throws -> ActivationLayout {
      let plain = ActivationLayout.nchw(channels: channels, height: height, width: width)
      let blocked = activationLayout(channels: channels, height: height, width: width)
      guard channels < block, height >= kernel, width >= kernel else { return blocked }
      let names = try [Self.narrowBlock, block].flatMap { outputs in
        let shape = ConvolutionShape(
          batch: OneDNNConvolution.referenceBatch, inputChannels: channels,
          outputChannels: outputs, inputHeight: height, inputWidth: width, kernel: kernel,
          stride: stride, padding: kernel / 2)
        let output = activationLayout(
          channels: outputs, height: shape.outputHeight, width: shape.outputWidth)
        return try [OneDNNDirection.forward, .backwardWeights].map { direction in
          let request = OneDNNRequest(
            shape: shape, direction: direction, input: plain, output: output)
          return try request.planIfSupported(engine: handle)?.implementation ?? ""
        }
      }
      return names.allSatisfy { $0.contains("jit") } ? plain : blocked
    }

    func makeConvolution(
      _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
      needsInputGradient: Bool, training: Bool, workspace: Workspace
    ) throws -> any Convolution {
      requireMatch(shape, input: input, output: output)
      func isOwn(_ layout: ActivationLayout) -> Bool {
        layout
          == activationLayout(
            channels: layout.channels, height: layout.height, width: layout.width)
      }
      precondition(
        isOwn(output) && (input.block == 1 || isOwn(input)),
        "blocks \(input.block) → \(output.block) are not this engine's")
      if shape.isDepthwise, input.block == output.block {
        return DepthwiseConvolution(shape, block: input.block, workspace: workspace)
      }
      if shape.groups > 1 {
        return try GroupedConvolution(
          shape, input: input, output: output, needsInputGradient: needsInputGradient,
          training: training, workspace: workspace, engine: self)
      }
      let suitsWinograd = WinogradConvolution.suits(shape, input: input, output: output)
      // With stride 2 Winograd saves less than the shorter operands do.
      if precision == .bf16, !suitsWinograd || shape.stride == 2,
        OneDNNBFloat16Convolution.suits(shape, input: input, output: output)
      {
        return try OneDNNBFloat16Convolution(
          shape, input: input, output: output, needsInputGradient: needsInputGradient,
          training: training, workspace: workspace, engine: self)
      }
      if suitsWinograd {
        return WinogradConvolution(
          shape, input: input, output: output, needsInputGradient: needsInputGradient,
          training: training, workspace: workspace)
      }
      if PointwiseConvolution.suits(shape, input: input, output: output) {
        return PointwiseConvolution(
          shape, input: input, output: output, needsInputGradient: needsInputGradient,
          training: training, workspace: workspace)
      }
      return input.block == output.block || input.block == 1
        ? try OneDNNConvolution(
          shape, input: input, output: output, needsInputGradient: needsInputGradient,
          training: training, workspace: workspace, engine: self)
        : try ReblockedConvolution(
          shape, input: input, output: output, needsInputGradient: needsInputGradient,
          training: training, workspace: workspace, engine: self)
    }

    /// Tells OpenMP that this thread works alone.
    ///
    /// By name at run time, because a sequential oneDNN brings no OpenMP. OpenMP keeps the number
    /// per thread.
    private static func limitThreads() {
      typealias SetThreads = @convention(c) (Int32) -> Void
      guard let symbol = dlsym(nil, "omp_set_num_threads") else { return }
      unsafeBitCast(symbol, to: SetThreads.self)(1)
    }
  }

  /// Throws unless oneDNN reports success.
  func check(_ status: dnnl_status_t, _ operation: String) throws {
    if status != dnnl_success {
      throw EngineError.library(
        engine: .onednn, operation: operation, code: Int(status.rawValue))
    }
  }

  /// Traps unless oneDNN reports success, where only a defect of this program can be the cause.
  func require(_ status: dnnl_status_t, _ operation: StaticString) {
    precondition(status == dnnl_success, "oneDNN: \(operation): status \(status.rawValue)")
  }
#endif
