/// A class for people: its number and, in brackets, its name.
public func classWords(_ label: Int, _ names: [String]) -> String {
  names.indices.contains(label) ? "\(label) (\(printable(names[label])))" : "\(label)"
}
