//! Splines in plain dfdx operations.

use dfdx::prelude::*;

use super::{LEAST, Spline, slope_offset};
use crate::layers::composed::{Float, Rows};
use crate::layers::coupling::transformer::{Changed, Said};

/// Values of a batch, shape `[batch, changed]`.
type Values<E, D> = Rows<usize, E, D>;

type Mask<D> = Tensor<(usize, usize), bool, D>;

/// Values within the bounds, and which were below and above.
type Within<E, D> = (Values<E, D>, [Mask<D>; 2]);

/// Writes operations on a tape that is held apart from the values, so that a value can be used more than once.
struct Pen<T> {
    tape: T,
}

impl<T> Pen<T> {
    fn lift<E: Float, D: Device<E>>(&mut self, value: Rows<usize, E, D, T>) -> Values<E, D>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let (value, tape) = value.split_tape();
        self.tape = std::mem::take(&mut self.tape).merge(tape);
        value
    }

    fn one<E: Float, D: Device<E>>(
        &mut self,
        a: &Values<E, D>,
        operation: impl FnOnce(Rows<usize, E, D, T>) -> Result<Rows<usize, E, D, T>, D::Err>,
    ) -> Result<Values<E, D>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let result = operation(a.retaped::<T>())?;
        Ok(self.lift(result))
    }

    fn two<E: Float, D: Device<E>>(
        &mut self,
        [a, b]: [&Values<E, D>; 2],
        operation: impl FnOnce(Rows<usize, E, D, T>, Rows<usize, E, D, T>) -> Result<Rows<usize, E, D, T>, D::Err>,
    ) -> Result<Values<E, D>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let result = operation(a.retaped::<T>(), b.retaped::<T>())?;
        Ok(self.lift(result))
    }
}

/// Methods of [`Pen`] for plain arithmetic.
macro_rules! arithmetic {
    ($($name:ident = $operation:ident),* $(,)?) => {
        impl<T> Pen<T> {
            $(fn $name<E: Float, D: Device<E>>(&mut self, a: &Values<E, D>, b: &Values<E, D>) -> Result<Values<E, D>, D::Err>
            where
                T: Tape<E, D> + Merge<T>,
            {
                self.two([a, b], |a, b| a.$operation(b))
            })*
        }
    };
}
arithmetic!(add = try_add, sub = try_sub, mul = try_mul, div = try_div, max = try_maximum);

impl<T> Pen<T> {
    /// factor·a + offset.
    fn line<E: Float, D: Device<E>>(
        &mut self,
        a: &Values<E, D>,
        factor: f64,
        offset: f64,
    ) -> Result<Values<E, D>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        self.one(a, |a| a.try_mul(E::of(factor))?.try_add(E::of(offset)))
    }

    fn choose<E: Float, D: Device<E>>(
        &mut self,
        mask: &Mask<D>,
        yes: &Values<E, D>,
        no: &Values<E, D>,
    ) -> Result<Values<E, D>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        self.two([yes, no], |yes, no| mask.clone().try_choose(yes, no))
    }

    /// ln(1 + e^a).
    fn softplus<E: Float, D: Device<E>>(&mut self, a: &Values<E, D>) -> Result<Values<E, D>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let small = self.one(a, |a| a.try_abs()?.try_negate()?.try_exp()?.try_add(E::of(1.0))?.try_ln())?;
        let large = self.one(a, |a| a.try_relu())?;
        self.add(&large, &small)
    }

    /// Shares that add up to 1.
    fn softmax<E: Float, D: Device<E>>(&mut self, logits: &[Values<E, D>]) -> Result<Vec<Values<E, D>>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let mut largest = logits[0].clone();
        for logit in &logits[1..] {
            largest = self.max(&largest, logit)?;
        }
        let mut shares = Vec::with_capacity(logits.len());
        for logit in logits {
            let above = self.sub(logit, &largest)?;
            shares.push(self.one(&above, |a| a.try_exp())?);
        }
        let mut sum = shares[0].clone();
        for share in &shares[1..] {
            sum = self.add(&sum, share)?;
        }
        shares.iter().map(|share| self.div(share, &sum)).collect()
    }
}

/// The bin in which a value lies: where it begins and how long it is in x and y, and the slopes at its ends.
struct Bin<E: Float, D: Device<E>> {
    x: [Values<E, D>; 2],
    y: [Values<E, D>; 2],
    slopes: [Values<E, D>; 2],
}

/// As on the CPU: z = y + h·(θ + lift) and dz/dx = s²·A/D².
struct At<E: Float, D: Device<E>> {
    lift: Values<E, D>,
    divisor: Values<E, D>,
    a: Values<E, D>,
    secant: Values<E, D>,
}

impl Spline {
    /// The bin of `key`: an x, or a y if `inverse`.
    fn bin<E: Float, D: Device<E>, T>(
        self,
        pen: &mut Pen<T>,
        said: &[Values<E, D>],
        key: &Values<E, D>,
        inverse: bool,
    ) -> Result<Bin<E, D>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let Self { bins, bound } = self;
        let [offset, factor] = self.lengths();
        let zero = pen.line(key, 0.0, 0.0)?;
        let start = pen.line(key, 0.0, -f64::from(bound))?;
        let lengths = |pen: &mut Pen<T>, logits: &[Values<E, D>]| {
            let shares = pen.softmax(logits)?;
            shares.iter().map(|share| pen.line(share, factor, offset)).collect::<Result<Vec<_>, _>>()
        };
        let widths = lengths(pen, &said[..bins])?;
        let heights = lengths(pen, &said[bins..2 * bins])?;
        let logit = |knot: usize| if (1..bins).contains(&knot) { &said[2 * bins + knot - 1] } else { &zero };
        let (mut x, mut y) = ([start.clone(), widths[0].clone()], [start, heights[0].clone()]);
        let mut found = Bin { x: x.clone(), y: y.clone(), slopes: [logit(0).clone(), logit(1).clone()] };
        for i in 1..bins {
            x = [pen.add(&x[0], &x[1])?, widths[i].clone()];
            y = [pen.add(&y[0], &y[1])?, heights[i].clone()];
            let right: Mask<D> = key.try_ge(if inverse { &y[0] } else { &x[0] })?;
            let mut choose = |old: &[Values<E, D>; 2], new: [&Values<E, D>; 2]| {
                Ok::<_, D::Err>([pen.choose(&right, new[0], &old[0])?, pen.choose(&right, new[1], &old[1])?])
            };
            found = Bin {
                x: choose(&found.x, x.each_ref())?,
                y: choose(&found.y, y.each_ref())?,
                slopes: choose(&found.slopes, [logit(i), logit(i + 1)])?,
            };
        }
        // As it is computed, so that the slope of logit 0 is 1 and no more.
        let offset = pen.line(&zero, 1.0, slope_offset())?;
        let at_zero = pen.softplus(&offset)?.as_vec().first().map_or(1.0 - LEAST, |value| value.wide());
        let mut slope = |logit: &Values<E, D>| {
            let logit = pen.line(logit, 1.0, slope_offset())?;
            let value = pen.softplus(&logit)?;
            pen.line(&value, 1.0, 1.0 - at_zero)
        };
        let slopes = [slope(&found.slopes[0])?, slope(&found.slopes[1])?];
        Ok(Bin { slopes, ..found })
    }

    /// `x` within ±bound, and where it was.
    fn within<E: Float, D: Device<E>, T>(self, pen: &mut Pen<T>, x: &Values<E, D>) -> Result<Within<E, D>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let bound = f64::from(self.bound);
        let outside = [x.try_lt(E::of(-bound))?, x.try_gt(E::of(bound))?];
        let (low, high) = (pen.line(x, 0.0, -bound)?, pen.line(x, 0.0, bound)?);
        let near = pen.choose(&outside[0], &low, x)?;
        Ok((pen.choose(&outside[1], &high, &near)?, outside))
    }

    pub(in crate::layers::coupling) fn forward_composed<E: Float, D: Device<E>, T>(
        self,
        x: Rows<usize, E, D, T>,
        said: Said<E, D, T>,
    ) -> Result<Changed<E, D, T>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let pen = &mut Pen { tape: T::default() };
        let x = pen.lift(x);
        let said: Vec<Values<E, D>> = said.into_iter().map(|list| pen.lift(list)).collect();
        let (near, outside) = self.within(pen, &x)?;
        let bin = self.bin(pen, &said, &near, false)?;
        let into = pen.sub(&near, &bin.x[0])?;
        let theta = pen.div(&into, &bin.x[1])?;
        let At { lift, divisor, a, secant } = bin.at(pen, &theta)?;
        let [shift, stretch] = [pen.sub(&bin.y[0], &bin.x[0])?, pen.sub(&bin.y[1], &bin.x[1])?];
        let [stretched, lifted] = [pen.mul(&stretch, &theta)?, pen.mul(&bin.y[1], &lift)?];
        let moved = pen.add(&shift, &stretched)?;
        let moved = pen.add(&moved, &lifted)?;
        let mut z = pen.add(&near, &moved)?;
        let ratio = pen.div(&secant, &divisor)?;
        let square = pen.one(&ratio, |ratio| ratio.try_square())?;
        let slope = pen.mul(&square, &a)?;
        let mut log = pen.one(&slope, |slope| slope.try_ln())?;
        let zero = pen.line(&near, 0.0, 0.0)?;
        for mask in &outside {
            z = pen.choose(mask, &x, &z)?;
            log = pen.choose(mask, &zero, &log)?;
        }
        let log_det = log.retaped::<T>().try_sum::<(usize,), Axis<1>>()?;
        Ok((z.put_tape(std::mem::take(&mut pen.tape)), log_det))
    }

    pub(in crate::layers::coupling) fn inverse_composed<E: Float, D: Device<E>>(
        self,
        z: Values<E, D>,
        said: Said<E, D, NoneTape>,
    ) -> Result<Values<E, D>, D::Err> {
        let pen = &mut Pen { tape: NoneTape };
        let (near, outside) = self.within(pen, &z)?;
        let bin = self.bin(pen, &said, &near, true)?;
        let [d0, d1] = &bin.slopes;
        let secant = pen.div(&bin.y[1], &bin.x[1])?;
        let rise = pen.sub(&near, &bin.y[0])?;
        // a·θ² + b·θ + c = 0 by the root that does not cancel; rounding may make its discriminant negative.
        let ends = pen.add(d0, d1)?;
        let turn = pen.two([&ends, &secant], |ends, secant| ends.try_sub(secant.try_mul(E::of(2.0))?))?;
        let bend = pen.mul(&rise, &turn)?;
        let above = pen.sub(&secant, d0)?;
        let a = pen.two([&bin.y[1], &above], |height, above| height.try_mul(above)?.try_add(bend.clone()))?;
        let b = pen.two([&bin.y[1], d0], |height, d0| height.try_mul(d0)?.try_sub(bend.clone()))?;
        let c = pen.two([&secant, &rise], |secant, rise| secant.try_mul(rise)?.try_negate())?;
        let product = pen.mul(&a, &c)?;
        let root = pen.two([&b, &product], |b, product| {
            b.try_square()?.try_sub(product.try_mul(E::of(4.0))?)?.try_relu()?.try_sqrt()
        })?;
        let bottom = pen.add(&b, &root)?;
        let theta = pen.two([&c, &bottom], |c, bottom| c.try_mul(E::of(-2.0))?.try_div(bottom))?;
        let along = pen.mul(&theta, &bin.x[1])?;
        let mut x = pen.add(&bin.x[0], &along)?;
        for mask in &outside {
            x = pen.choose(mask, &z, &x)?;
        }
        Ok(x)
    }
}

impl<E: Float, D: Device<E>> Bin<E, D> {
    fn at<T>(&self, pen: &mut Pen<T>, theta: &Values<E, D>) -> Result<At<E, D>, D::Err>
    where
        T: Tape<E, D> + Merge<T>,
    {
        let rest = pen.line(theta, -1.0, 1.0)?;
        let t = pen.mul(theta, &rest)?;
        let secant = pen.div(&self.y[1], &self.x[1])?;
        let [e0, e1] = [pen.sub(&self.slopes[0], &secant)?, pen.sub(&self.slopes[1], &secant)?];
        let both = pen.add(&e0, &e1)?;
        let bend = pen.mul(&both, &t)?;
        let divisor = pen.add(&secant, &bend)?;
        let [rising, falling] = [pen.mul(&e0, &rest)?, pen.mul(&e1, theta)?];
        let turn = pen.sub(&rising, &falling)?;
        let above = pen.mul(&t, &turn)?;
        let lift = pen.div(&above, &divisor)?;
        let [rising, falling] = [pen.mul(&rising, &rest)?, pen.mul(&falling, theta)?];
        let ends = pen.add(&rising, &falling)?;
        Ok(At { lift, divisor, a: pen.add(&secant, &ends)?, secant })
    }
}
