/// Makes the engine of this rank; its kernels run on the calling thread alone.
///
/// - Ranks: local; compare `fingerprint` over all ranks before training.
/// - Throws: `EngineError.notBuilt` where this build lacks `kind`.
public func makeEngine(_ kind: EngineKind) throws -> any Engine {
  throw EngineError.notBuilt(kind)
}
