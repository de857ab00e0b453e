import CMecaKernels
import COpenBLAS
import Glibc
import MecaCore

/// Which of its sets of kernels OpenBLAS uses; the processor decides, and knows better than OpenBLAS
/// where it is younger than the library.
///
/// OpenBLAS reads the name from `OPENBLAS_CORETYPE` while it is loaded, before any line of this
/// program. So the program looks at what was chosen and starts itself anew if there is better.
public enum OpenBLASCoreType {
  private static let variable = "OPENBLAS_CORETYPE"
  /// Set in the restarted process: what OpenBLAS had chosen by itself.
  private static let ownChoice = "MECA_OPENBLAS_OWN_CORETYPE"

  /// Restarts the program if the processor can run faster kernels than those that were chosen.
  ///
  /// - Ranks: local, before MPI is initialised. The engine's fingerprint names the core type, and
  ///   ranks with different ones are refused.
  public static func chooseForThisProcess() {
    let requested = getenv(variable).map { String(cString: $0) }
    guard
      let better = better(
        than: current, processorVectors: Int(meca_processor_vectors()), requested: requested,
        configuration: configuration)
    else { return }
    restart(adding: [variable: better, ownChoice: current])
  }

  /// A core type with faster kernels than `own` has, or nil if there is none.
  ///
  /// An AVX2 or older type gives way to `SkylakeX` where the processor has AVX-512, an older one to
  /// `Haswell` where it has AVX2. Names that are not known stay: a younger OpenBLAS knows better.
  ///
  /// - Parameters:
  ///   - own: OpenBLAS's choice.
  ///   - processorVectors: 512, 256 or 0; see `meca_processor_vectors`.
  ///   - requested: the user's `OPENBLAS_CORETYPE`, which always wins.
  ///   - configuration: OpenBLAS's own description; only a build with all kernels can choose.
  package static func better(
    than own: String, processorVectors: Int, requested: String?, configuration: String
  ) -> String? {
    guard requested == nil, configuration.split(separator: " ").contains("DYNAMIC_ARCH") else {
      return nil
    }
    let isOld = olderThanAVX2.contains(own)
    if processorVectors >= 512 && (isOld || withAVX2.contains(own)) { return "SkylakeX" }
    if processorVectors >= 256 && isOld { return "Haswell" }
    return nil
  }

  private static let withAVX2: Set = ["Haswell", "Zen", "Excavator"]
  private static let olderThanAVX2: Set = [
    "Prescott", "Core2", "Penryn", "Dunnington", "Atom", "Nano", "Nehalem", "Sandybridge",
    "Athlon", "Opteron", "Opteron_SSE3", "Barcelona", "Bobcat",
  ]

  /// The core type in use.
  package static var current: String {
    openblas_get_corename().map { String(cString: $0) } ?? "unknown"
  }

  /// OpenBLAS's version and how it was built.
  static var configuration: String {
    openblas_get_config().map { String(cString: $0) } ?? "unknown"
  }

  /// For the log: how the core type came about, if not by OpenBLAS alone.
  ///
  /// - Ranks: local.
  public static var note: String? {
    guard getenv(variable) != nil else { return nil }
    guard let own = getenv(ownChoice) else {
      return "OpenBLAS core type \(current), as \(variable) asks for"
    }
    return "OpenBLAS core type \(current) for this processor, \(String(cString: own)) by itself"
  }
}
