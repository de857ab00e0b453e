import Foundation
import MecaCore
import MecaTraining

/// Several runs side by side: one HTML file with a row for each.
public struct RunComparison {
  private let runs: [(path: String, result: RunResult)]

  /// Reads the results of some runs.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Throws: `FileError` where one has no results, or damaged ones.
  public init(_ paths: [String]) throws {
    runs = try paths.map { path in
      let file = RunFolder(path: path).result
      let data = Data(try readFile(at: file))
      guard let result = try? JSONDecoder().decode(RunResult.self, from: data) else {
        throw FileError.malformed(path: file, reason: "is no result of a run")
      }
      return (path, result)
    }
  }

  /// The page.
  public func html() throws -> String {
    func percent(_ rate: Double?) -> String { rate.map { fixed($0 * 100, 2) + " %" } ?? "–" }
    let rows = runs.map { path, result in
      let detection = result.detection
      let kept = detection?.keptPerClass.compactMap(\.self).min()
      return [
        "path": path, "defense": result.defense, "verdict": detection?.verdict?.words ?? "–",
        "before": percent(result.noDefense?.accuracy.rate),
        "beforeAttack": percent(result.noDefense?.attackSuccess?.rate),
        "after": percent(result.defended?.accuracy.rate),
        "afterAttack": percent(result.defended?.attackSuccess?.rate),
        "tpr": percent(detection?.tpr), "fpr": percent(detection?.fpr), "kept": percent(kept),
        "time": spanWords(result.seconds), "weights": String(result.weightsSHA256.prefix(12)),
      ]
    }
    return try EscapedText.template(Self.template).render(["rows": rows, "count": rows.count])
  }

  private static let template =
    pageStart + #"""
      <title>meca-dist: {{count}} runs</title>
      <style>
      body{margin:0 auto;max-width:1300px;padding:0 16px;font:16px/1.5 system-ui,sans-serif}
      .scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
      th,td{text-align:right;padding:4px 14px 4px 0;border-bottom:1px solid #8886;white-space:nowrap}
      th:first-child,td:first-child{text-align:left}
      </style>
      </head>
      <body>
      <main>
      <h1>{{count}} runs</h1>
      <p>ACC: accuracy on clean test images. ASR: triggered test images taken for the target. TPR, FPR: poisoned and clean samples that were flagged, where the truth is known.</p>
      <div class="scroll" tabindex="0" role="region" aria-label="Runs"><table>
      <thead><tr><th scope="col">run</th><th scope="col">defence</th><th scope="col">verdict</th><th scope="col">undefended ACC</th><th scope="col">ASR</th><th scope="col">defended ACC</th><th scope="col">ASR</th><th scope="col">TPR</th><th scope="col">FPR</th><th scope="col">least class kept</th><th scope="col">time</th><th scope="col">weights</th></tr></thead>
      <tbody>{{#rows}}<tr><th scope="row"><bdi>{{path}}</bdi></th><td>{{defense}}</td><td>{{verdict}}</td><td>{{before}}</td><td>{{beforeAttack}}</td><td>{{after}}</td><td>{{afterAttack}}</td><td>{{tpr}}</td><td>{{fpr}}</td><td>{{kept}}</td><td>{{time}}</td><td><code>{{weights}}</code></td></tr>{{/rows}}</tbody>
      </table></div>
      </main>
      </body>
      </html>

      """#
}
