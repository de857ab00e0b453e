import MecaTraining

#if canImport(Glibc)
  import Glibc
#endif

/// Whether a label's suspects look like its others or like samples of other labels.
///
/// Detectors that have not learnt them are asked for the most probable real class.
///
/// With n_k, m_k the numbers of the label's others and of the samples of other labels whose best real
/// class is k, of C classes, and k_i the best real class of suspect i:
///
/// ```
/// P₀(k) = (1 + n_k) / (C + Σ n),   P₁(k) = (1 + m_k) / (C + Σ m)
/// Λ = Σ_i log P₁(k_i) / P₀(k_i)
/// ```
///
/// Were the suspects the label's own and P₀ right, the mean of e^Λ would be 1, so that Λ reaches
/// log(1/q) in at most the share q of cases (Markov). Detectors that have learnt nothing answer alike
/// whatever the label, P₀ ≈ P₁ and Λ ≈ 0: nothing is said.
///
/// - Units: nats.
/// - Source: own; measured in `docs/experiments.md`.
struct Looks: Sendable, Equatable {
  /// Share of the suspects whose best real class is the label.
  var agreement = 0.0
  /// The same of the label's others.
  var othersAgreement = 0.0
  /// Λ; positive for suspects that look like other labels.
  var evidence = 0.0
}

/// Λ of the suspects' classes; see `Looks`.
package func foreignLooks(_ suspects: [Int], own: [Int], foreign: [Int], classes: Int) -> Double {
  func shares(_ counted: [Int]) -> [Double] {
    var counts = [Double](repeating: 1, count: classes)
    for label in counted { counts[label] += 1 }
    return counts.map { $0 / Double(classes + counted.count) }
  }
  let ratios = zip(shares(foreign), shares(own)).map { log($0 / $1) }
  return suspects.reduce(0) { $0 + ratios[$1] }
}

extension MeCaMethod {
  /// What the suspects of a label look like; suspects of other labels say nothing about these.
  ///
  /// - Ranks: local; call it within `Workbench.decided`.
  func looks(of isSuspect: [Bool], label: Int, _ answers: [SpareAnswer]) -> Looks {
    var (suspects, own, foreign) = ([Int](), [Int](), [Int]())
    for sample in data.labels.indices {
      let content = Int(answers[sample].content)
      switch (Int(data.labels[sample]) == label, isSuspect[sample]) {
      case (true, true): suspects.append(content)
      case (true, false): own.append(content)
      case (false, false): foreign.append(content)
      case (false, true): break
      }
    }
    func share(_ contents: [Int]) -> Double {
      Double(contents.count { $0 == label }) / Double(max(1, contents.count))
    }
    return Looks(
      agreement: share(suspects), othersAgreement: share(own),
      evidence: foreignLooks(suspects, own: own, foreign: foreign, classes: data.classCount))
  }
}
