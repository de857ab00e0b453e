import MecaCore
import Mustache

/// Text as it may stand in HTML and SVG, between tags and in quoted attributes.
///
/// Scalar by scalar: a quote with an accent on it is one character to Swift and still a quote to a
/// browser, and names come from untrusted sets.
func escaped(_ text: String) -> String {
  var result = String.UnicodeScalarView()
  for scalar in printable(text).unicodeScalars {
    switch scalar {
    case "&": result.append(contentsOf: "&amp;".unicodeScalars)
    case "<": result.append(contentsOf: "&lt;".unicodeScalars)
    case ">": result.append(contentsOf: "&gt;".unicodeScalars)
    case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
    case "'": result.append(contentsOf: "&#39;".unicodeScalars)
    default: result.append(scalar)
    }
  }
  return String(result)
}

/// What `{{name}}` becomes in our templates, which begin with `{{% CONTENT_TYPE:MECA}}`.
struct EscapedText: MustacheContentType {
  func escapeText(_ text: String) -> String { escaped(text) }

  /// A template whose values are escaped this way.
  static func template(_ text: String) throws -> MustacheTemplate {
    MustacheContentTypes.register(EscapedText(), named: "MECA")
    return try MustacheTemplate(string: "{{% CONTENT_TYPE:MECA}}" + text)
  }
}
