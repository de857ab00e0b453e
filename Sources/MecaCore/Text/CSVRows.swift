/// The rows of a comma-separated file, fields as RFC 4180 has them; empty lines are left out.
///
/// - Returns: nil where a quote is never closed.
package func csvRows(_ text: String) -> [[String]]? {
  var rows: [[String]] = []
  var row: [String] = []
  var field = String.UnicodeScalarView()
  var (isQuoted, wasQuoted) = (false, false)
  func endField() {
    row.append(String(field))
    field = String.UnicodeScalarView()
    wasQuoted = false
  }
  func endRow() {
    if row.isEmpty, field.isEmpty, !wasQuoted { return }
    endField()
    rows.append(row)
    row = []
  }
  // By scalars: a quote with a combining mark is one character, and not equal to a quote.
  let scalars = Array(text.unicodeScalars)
  var place = 0
  while place < scalars.count {
    let scalar = scalars[place]
    if isQuoted {
      if scalar != "\"" {
        field.append(scalar)
      } else if place + 1 < scalars.count, scalars[place + 1] == "\"" {
        field.append(scalar)
        place += 1
      } else {
        isQuoted = false
      }
    } else {
      switch scalar {
      case "\"" where field.isEmpty && !wasQuoted: (isQuoted, wasQuoted) = (true, true)
      case ",": endField()
      case "\r": break
      case "\n": endRow()
      default: field.append(scalar)
      }
    }
    place += 1
  }
  guard !isQuoted else { return nil }
  endRow()
  return rows
}
