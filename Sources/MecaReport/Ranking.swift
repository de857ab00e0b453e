/// Area under the ROC curve: how often a positive sample has a larger value than a negative one.
///
/// Ties count half. Nil unless both kinds are there.
public func areaUnderROC(_ values: [Float], positive: [Bool]) -> Double? {
  precondition(values.count == positive.count, "\(values.count) values, \(positive.count) truths")
  let order = values.indices.sorted { values[$0] < values[$1] }
  var rankSum = 0.0
  var start = 0
  while start < order.count {
    var end = start
    while end < order.count && values[order[end]] == values[order[start]] { end += 1 }
    let meanRank = Double(start + end + 1) / 2
    for place in start..<end where positive[order[place]] { rankSum += meanRank }
    start = end
  }
  let positives = Double(positive.filter { $0 }.count)
  let negatives = Double(positive.count) - positives
  guard positives > 0, negatives > 0 else { return nil }
  return (rankSum - positives * (positives + 1) / 2) / (positives * negatives)
}
