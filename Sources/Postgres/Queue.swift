/// First in, first out, with both ends in constant time.
struct Queue<Element> {
    private var elements: [Element?] = []
    private var head = 0

    var count: Int { elements.count - head }
    var isEmpty: Bool { count == 0 }

    var first: Element? { isEmpty ? nil : elements[head] }
    var last: Element? { isEmpty ? nil : elements[elements.count - 1] }

    mutating func append(_ element: Element) { elements.append(element) }

    /// Changes the first element in place.
    mutating func updateFirst(_ change: (inout Element) -> Void) {
        guard !isEmpty, var element = elements[head].take() else { return }
        change(&element)
        elements[head] = element
    }

    mutating func popFirst() -> Element? {
        guard !isEmpty else { return nil }
        let element = elements[head].take()
        head += 1
        // Halving now and then keeps the spent front small at a constant cost for each element.
        if head > elements.count / 2 {
            elements.removeFirst(head)
            head = 0
        }
        return element
    }

    /// Takes out the first element that fits, wherever it waits.
    mutating func remove(where fits: (Element) -> Bool) -> Element? {
        guard let index = elements.indices.first(where: { elements[$0].map(fits) ?? false }) else {
            return nil
        }
        return elements.remove(at: index)
    }

    mutating func removeAll() -> [Element] {
        defer { self = Queue() }
        return elements.compactMap { $0 }
    }
}
