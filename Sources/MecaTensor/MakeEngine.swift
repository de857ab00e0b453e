/// Makes the engine of this rank; its kernels run on the calling thread alone.
///
/// - Ranks: local; compare `fingerprint` over all ranks before training.
/// - Throws: `EngineError.notBuilt` where this build lacks `kind`, `EngineError.noBFloat16` where the
///   processor lacks `precision`, `EngineError.library` where the library cannot be used.
public func makeEngine(
  _ kind: EngineKind, precision: Precision = .fp32
) throws -> any Engine {
  switch kind {
  case .onednn:
    #if MECA_ONEDNN
      return try OneDNNEngine(precision: precision)
    #else
      throw EngineError.notBuilt(kind)
    #endif
  case .openblas: return OpenBLASEngine(precision: precision)
  }
}

/// Traps unless the layouts are those of the shape's two sides.
func requireMatch(
  _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout
) {
  precondition(
    input.channels == shape.inputChannels && input.height == shape.inputHeight
      && input.width == shape.inputWidth,
    "input \(input) for \(shape)")
  precondition(
    output.channels == shape.outputChannels && output.height == shape.outputHeight
      && output.width == shape.outputWidth,
    "output \(output) for \(shape)")
}
