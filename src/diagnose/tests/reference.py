"""The literal numbers of these tests, by scipy, numpy and scikit-learn: python3 src/diagnose/tests/reference.py"""

import numpy as np
from scipy import stats
from sklearn.mixture import GaussianMixture

GOLDEN = (np.sqrt(5) - 1) / 2


def normals(count, start):
    """Normal quantiles of the fractional parts of multiples of the golden ratio."""
    return stats.norm.ppf(np.modf((np.arange(count) + start) * GOLDEN)[0])


print("normal", stats.norm.cdf([-8, -1.5, 0.3, 4]))
print("normal scores", stats.norm.ppf(stats.t.cdf([-3, 0.5], 4)), stats.norm.ppf(stats.cauchy.cdf(8)))
print("chi squared", stats.chi2.cdf([0.5, 7, 80], [1, 4, 64]), "density", stats.chi2.pdf([0.5, 7, 80], [1, 4, 64]))
values = normals(40, 1) + 0.2
found = stats.kstest(values, "norm")
print("one sample", found.statistic, found.pvalue)
print("exact", stats.kstwo.sf(0.25, 40), stats.kstwo.sf(0.06, 600))
print("limit", stats.kstwobign.sf([0.8, 1.358, 2]))
found = stats.ks_2samp(values, normals(55, 300) * 1.5)
print("two samples", found.statistic)
ci = stats.binomtest(57, 100).proportion_ci(method="wilson")
print("Wilson", ci.low, ci.high)

one = np.stack([normals(30, 1), normals(30, 100)], 1)
other = np.stack([normals(20, 500) + 1, normals(20, 700)], 1)
both = np.concatenate([one, other])
scale = both.std(0)
apart = lambda a, b: np.linalg.norm(a[:, None] / scale - b[None] / scale, axis=2).mean()
distance = 2 * apart(one, other) - apart(one, one) - apart(other, other)
print("energy", distance, distance / (2 * apart(one, other)))

cloud = np.stack([normals(200, 1), normals(200, 1) * 0.5 + normals(200, 4000)], 1)
gaussian = stats.multivariate_normal(cloud.mean(0), np.cov(cloud.T, bias=True))
print("Gaussian", gaussian.logpdf([[0.5, -1], [3, 3]]))
r = stats.pearsonr(cloud[:, 0], cloud[:, 1])[0]
print("correlation", r, 2 * stats.norm.sf(np.arctanh(abs(r)) * np.sqrt(197)))
clouds = np.concatenate([cloud, cloud * [0.5, 1] + [8, 2]])
fitted = GaussianMixture(2, random_state=0, reg_covar=1e-9, tol=1e-9, max_iter=500).fit(clouds)
print("mixture", fitted.score(clouds))
shares = [0.05, 0.25, 0.5, 0.75, 0.95]
print("quantiles", (np.quantile(other[:, 0], shares) - np.quantile(one[:, 0], shares)) / one[:, 0].std())
