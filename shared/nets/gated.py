"""Recurrent cells of one state, a gated mean of what it was and of something new."""

from keras import ops

from shared.nets.cells import Cell


class GRUCell(Cell):
    """The gated recurrent unit.

        z  = sigmoid(W_z x + U_z h + b_z)
        r  = sigmoid(W_r x + U_r h + b_r)
        g  = tanh(W_g x + U_g (r * h) + b_g)
        h' = z * h + (1 - z) * g

    Source: Cho et al. 2014, arXiv:1406.1078, with biases.
    """

    embeds = False  # whether W sees e = W_e x instead of x
    columns = 3, 2  # vectors (U,) that W gives and that U gives, without U_g

    def build(self, inputs_shape, state_shape=None):
        """Create the weights; their columns are in the order z, r, g."""
        size, (read, seen) = inputs_shape[-1], self.columns
        if self.embeds:
            self.embedding = self.matrix("embedding", size, 1, "glorot_uniform")
            size = self.units
        self.kernel = self.matrix("kernel", size, read, "glorot_uniform")
        self.recurrent_kernel = self.matrix("recurrent_kernel", self.units, seen)
        self.candidate_kernel = self.matrix("candidate_kernel", self.units)
        self.bias = self.vectors("bias", 3)
        self.built = True

    def advance(self, projected, state):
        """Take a step."""
        (h,) = state
        z, r, g = ops.split(projected, 3, axis=-1)
        h_z, h_r = self.look_back(h)
        z, r = ops.sigmoid(z + h_z), ops.sigmoid(r + h_r)
        g = ops.tanh(g + ops.matmul(r * h, self.candidate_kernel))
        return {"z": z, "r": r}, (self.mean(z, h, g),)

    def look_back(self, h):
        """Give what z and r see of h."""
        return ops.split(ops.matmul(h, self.recurrent_kernel), 2, axis=-1)

    def mean(self, z, h, g):
        """Give the new h."""
        return z * h + (1 - z) * g


class MUT1Cell(GRUCell):
    """The first of three cells that a search by mutations found.

        e  = W_e x
        z  = sigmoid(W_z e + b_z)
        r  = sigmoid(W_r e + U_r h + b_r)
        g  = tanh(tanh(e) + U_g (r * h) + b_g)
        h' = z * g + (1 - z) * h

    The paper's x has the size of h; here e has it.

    Source: Jozefowicz et al. 2015, "An empirical exploration of recurrent network
        architectures": MUT1.
    """

    embeds = True
    columns = 2, 1

    def project(self, inputs):
        """Give what z, r and g see of the inputs, and their biases, side by side."""
        embedded = self.read(inputs, self.embedding)
        gates = ops.matmul(embedded, self.kernel)
        return ops.concatenate([gates, ops.tanh(embedded)], axis=-1) + self.bias

    def look_back(self, h):
        """Give what z and r see of h."""
        return 0.0, ops.matmul(h, self.recurrent_kernel)

    def mean(self, z, h, g):
        """Give the new h."""
        return z * g + (1 - z) * h


class MUT2Cell(MUT1Cell):
    """The second of them: MUT2.

    e  = W_e x
    z  = sigmoid(W_z e + U_z h + b_z)
    r  = sigmoid(e + U_r h + b_r)
    g  = tanh(W_g e + U_g (r * h) + b_g)
    h' = z * g + (1 - z) * h
    """

    columns = 2, 2

    def project(self, inputs):
        """Give what z, r and g see of the inputs, and their biases, side by side."""
        embedded = self.read(inputs, self.embedding)
        z, g = ops.split(ops.matmul(embedded, self.kernel), 2, axis=-1)
        return ops.concatenate([z, embedded, g], axis=-1) + self.bias

    def look_back(self, h):
        """Give what z and r see of h."""
        return GRUCell.look_back(self, h)


class MUT3Cell(MUT1Cell):
    """The third of them: MUT3.

    z  = sigmoid(W_z x + U_z tanh(h) + b_z)
    r  = sigmoid(W_r x + U_r h + b_r)
    g  = tanh(W_g x + U_g (r * h) + b_g)
    h' = z * g + (1 - z) * h
    """

    embeds = False
    columns = 3, 2

    def project(self, inputs):
        """Give what z, r and g see of the inputs, and their biases, side by side."""
        return Cell.project(self, inputs)

    def look_back(self, h):
        """Give what z and r see of h."""
        to_z, to_r = ops.split(self.recurrent_kernel, 2, axis=-1)
        return ops.matmul(ops.tanh(h), to_z), ops.matmul(h, to_r)
