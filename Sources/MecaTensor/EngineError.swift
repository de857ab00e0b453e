import MecaCore

/// An engine cannot do what was asked.
public enum EngineError: ReportableError, Equatable {
  /// This build does not contain the engine.
  case notBuilt(EngineKind)
  /// The processor cannot multiply bfloat16 numbers.
  case noBFloat16(EngineKind)
  /// The library returned an error code.
  case library(engine: EngineKind, operation: String, code: Int)

  /// A wrong choice by the user, or a defect.
  public var exitCode: ExitCode {
    switch self {
    case .notBuilt, .noBFloat16: .usage
    case .library: .internalError
    }
  }

  /// What failed and which engine would do instead.
  public var description: String {
    switch self {
    case .notBuilt(let kind):
      "--engine \(kind.rawValue): not in this build; available: "
        + EngineKind.available.map(\.rawValue).joined(separator: ", ")
        + (kind == .onednn
          ? "; install libdnnl-dev and build with MECA_ONEDNN=1 in the environment" : "")
    case .noBFloat16(let engine):
      "--precision bf16: this processor has no instructions for it that \(engine.rawValue) knows "
        + "(AVX512_BF16); use --precision fp32"
    case .library(let engine, let operation, let code):
      "\(engine.rawValue): cannot \(operation) (status \(code)); try another --engine"
    }
  }
}
